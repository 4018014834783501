//! When a wire carries packets.

use std::io;
use std::time::Duration;

use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage, State};

use super::Network;

/// Between two looks at a port.
const PAUSE: Duration = Duration::from_millis(1);
/// The kernel takes a second at worst, and a millisecond or two as a rule.
const LOOKS: u32 = 1_500;

impl Network {
    /// Waits until a bridge forwards what comes by a port. The bridge hears of a carrier by the
    /// kernel's link watch, a little later; it drops what comes before. Such a loss costs a node
    /// that asks for its neighbour at once a whole second (ARP repeats after that time).
    ///
    /// The look itself brings the news forward: since Linux 6.8, asking for a link settles its
    /// state before it answers.
    ///
    /// # Errors
    /// The port is gone.
    pub(super) async fn until_forwarding(&self, port: u32) -> io::Result<()> {
        for _ in 0..LOOKS {
            let mut message = LinkMessage::default();
            message.header.index = port;
            let link = self.find(message, "of a node on its bridge").await?;
            if link
                .attributes
                .contains(&LinkAttribute::OperState(State::Up))
            {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        // A link that stays dark is for the health checks to see.
        Ok(())
    }
}
