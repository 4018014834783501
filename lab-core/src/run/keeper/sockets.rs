//! Sockets for who watches links. They are made here, where the namespaces are, and read by the
//! caller: the cost is the caller's, and the keeper stays quick.

use std::io;
use std::os::fd::AsFd;

use super::Keeper;
use super::connection::{Connection, hung_up};
use crate::kernel::link_news::LinkNews;
use crate::kernel::packet::PacketSocket;
use crate::run::control::{Refusal, Response};

impl Keeper {
    /// Gives the sockets, and closes the connection when what they watch is no more.
    pub(super) async fn serve_tap(
        &self,
        connection: &Connection,
        node: Option<&str>,
    ) -> io::Result<()> {
        let node = match node.map(|name| self.find_node(name)).transpose() {
            Ok(node) => node,
            Err(refusal) => return connection.send(&Response::Error(refusal), &[]).await,
        };
        let network = node.as_ref().map_or(&self.fabric, |node| &node.network);
        let sockets = network
            .namespace()
            .within(|| Ok((PacketSocket::open()?, LinkNews::open()?)));
        let (packets, news) = match sockets {
            Ok(sockets) => sockets,
            Err(error) => {
                let refusal = Refusal {
                    message: format!("can't open a packet socket in the lab: {error}"),
                    help: Some(
                        "the kernel must have CONFIG_PACKET; `lab doctor` tells more".into(),
                    ),
                    code: 3,
                };
                return connection.send(&Response::Error(refusal), &[]).await;
            }
        };
        connection
            .send(&Response::Tap, &[packets.as_fd(), news.as_fd()])
            .await?;
        drop((packets, news));
        match node {
            Some(node) => tokio::select! {
                () = node.until_dead() => Ok(()),
                gone = hung_up(&connection.stream) => gone,
            },
            None => hung_up(&connection.stream).await,
        }
    }
}
