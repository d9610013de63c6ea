//! What clients read.

mod admin;
mod booking;
mod checkout;
mod cutoff;
mod employee;
pub mod event;
mod import;
mod menu;
mod names;
mod reconciliation;
mod rejection;
mod report;
mod webhook;

pub use admin::{AuditView, ConcessionaireView, ReceiptView, StationView, TenantView, UserView};
pub use booking::{BookingView, CorrectionView, MovementView, StatementView};
pub use checkout::{CheckoutView, QuoteView, UndecidedView};
pub use cutoff::{CutoffLineView, CutoffTotalsView, CutoffView, PolicyView};
pub use employee::{EmployeeView, MeView, ProfileView};
pub use import::ImportView;
pub use menu::MenuView;
pub use names::{EventType, ImportContentType, ImportRefusalType, ProblemType, RejectionType};
pub use reconciliation::{ReconciliationReportView, ReconciliationView};
pub use rejection::RejectionView;
pub use report::{CreditLineView, CreditTotalsView, TakingsLineView, TakingsTotalsView};
pub use webhook::{DeliveryView, WebhookView};
