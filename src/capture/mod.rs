//! `lab capture`: from packets to lines or to pcapng, and where those go.

mod key_log;
mod lines;
mod outlet;
mod pcapng;
mod session;

pub use key_log::KeyLog;
pub use lines::{Form, Lines};
pub use outlet::Outlet;
pub use pcapng::Pcapng;
pub use session::{Limits, Session, Summed, Writer};
