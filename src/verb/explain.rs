//! `lab explain`.

use std::process::ExitCode;

use clap::Args;
use lab_core::predict::{Destination, Model, Unasked, explain};

use super::trace::Form;
use crate::explained::{sequence, tree};
use crate::output::{Failure, Screen};
use crate::source::LabFile;

/// Say what would become of a connection, without any lab running
///
/// From the lab file alone: which name server answers and by which view, each hop with its route,
/// translation and the rule that decides, the members that may be chosen, what a proxy goes on to,
/// and the way back. For what is dropped, the nearest rule that would have let it pass. The exit
/// code is 0 where something answers (and, where a proxy does, something behind it), 1 where not.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab explain --from roaming --to mail.contoso.com:443
  lab explain --from spammer --to 203.0.113.70:25
  lab explain --from pc1 --to dc1:udp/53
  lab explain --from pc1 --to intranet.contoso.com:443 --format mermaid
  lab explain shop.yaml --from visitor --to 10.0.0.20:icmp --json | jq .reachable")]
pub struct Explain {
    #[command(flatten)]
    file: LabFile,
    /// The node that asks
    #[arg(long, value_name = "NODE")]
    from: String,
    /// What it asks for: a name or an address, and a port (`443`, `tcp/443`, `udp/53`), `icmp` or an
    /// IP protocol (`ip/50`)
    #[arg(long, value_name = "HOST:PORT")]
    to: Destination,
    /// How to write it
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        conflicts_with = "json"
    )]
    format: Form,
    /// The same as `--format json`
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Does it.
    ///
    /// # Errors
    /// The lab file is not in order, or the node is none of it.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let (lab, plan) = self.file.lab_and_plan(screen)?;
        let model = Model::new(&lab, &plan);
        let explanation = explain(&model, &self.from, &self.to).map_err(unasked)?;
        match self.format {
            Form::Json => screen.json(&explanation)?,
            _ if self.json => screen.json(&explanation)?,
            Form::Tree => screen.print(&tree(&explanation, screen.stdout()))?,
            Form::Mermaid => screen.print(&sequence(&explanation))?,
        }
        Ok(ExitCode::from(u8::from(!explanation.reachable)))
    }
}

/// Why a question can't be asked, as a mistake of who asks.
pub fn unasked(reason: Unasked) -> Failure {
    let help = match &reason {
        Unasked::NoNode {
            near: Some(near), ..
        } => format!("did you mean `{near}`?"),
        Unasked::NoNode { near: None, .. } => {
            "`lab graph` draws the nodes that there are".to_owned()
        }
        Unasked::Off { .. } => "`lab heal` switches it on".to_owned(),
    };
    Failure::usage(reason.to_string(), help)
}
