//! What every request shares: clients, clock and keys, made once.

use aws::bus::Bus;
use aws::clock::Clock;
use aws::config::{Clients, IntakeConfig, PasswordKey, SessionKey, TicketKey, WebhookConfig};
use aws::files::Files;
use aws::menus::Menus;
use aws::retry::Policy;
use aws::table::Table;
use aws::telemetry::Metrics;

#[derive(Debug, Clone)]
pub struct App {
    pub(crate) table: Table,
    pub(crate) bus: Bus,
    pub(crate) files: Files,
    pub(crate) menus: Menus,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) client_id: String,
    pub(crate) listen_url: String,
    pub(crate) session_key: SessionKey,
    pub(crate) ticket_key: TicketKey,
    pub(crate) password_key: PasswordKey,
    pub(crate) webhooks: WebhookConfig,
}

impl App {
    pub fn new(clients: &Clients, config: IntakeConfig, clock: Clock, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::INTAKE),
            bus: clients.bus(Policy::INTAKE),
            files: clients.files(Policy::INTAKE),
            menus: Menus::default(),
            clock,
            metrics,
            client_id: config.client_id,
            listen_url: config.listen_url,
            session_key: config.session_key,
            ticket_key: config.ticket_key,
            password_key: config.password_key,
            webhooks: config.webhooks,
        }
    }

    /// The table as intake reads it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }
}
