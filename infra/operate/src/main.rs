//! What an operator does to a stage besides deploying it: `make tenant`, and the demo.
//!
//! Every step looks before it acts, so a run that was cut short anywhere is finished by the next.

mod demo;
mod probe;
mod redeliver;
mod stage;
mod tenant;

use aws::failure::chain;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Operates a stage with the credentials, the region and the endpoints of the environment.
#[derive(Debug, Parser)]
struct Arguments {
    /// The stage, as it was deployed.
    #[arg(long)]
    stage: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Opens a tenant whose stack exists: its item, its first administrator, and a probe through every queue.
    Tenant(tenant::Arguments),
    /// Closes a tenant, before its stack is taken down.
    Close(tenant::CloseArguments),
    /// Fills tenants whose stacks exist with the demo, and says how to reach it. For stages that nobody pays
    /// on.
    Demo(demo::Arguments),
    /// Moves to its queue what a tenant's topic could not hand to a queue.
    Redeliver(redeliver::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { stage, action } = Arguments::parse();
    let done = async {
        let stage = stage::Stage::find(&stage).await?;
        match action {
            Action::Tenant(arguments) => {
                Ok::<_, Box<dyn std::error::Error>>(tenant::open(&stage, arguments).await?)
            }
            Action::Close(arguments) => Ok(tenant::close(&stage, arguments).await?),
            Action::Demo(arguments) => Ok(demo::fill(&stage, &arguments).await?),
            Action::Redeliver(arguments) => Ok(redeliver::redeliver(&stage, &arguments).await?),
        }
    };
    match done.await {
        Ok(report) => say(std::io::stdout(), &report),
        Err(error) => {
            say(std::io::stderr(), &format!("operate: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

fn say(mut to: impl Write, text: &str) -> ExitCode {
    if writeln!(to, "{text}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
