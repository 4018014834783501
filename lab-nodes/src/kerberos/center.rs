//! Asking a key distribution center over TCP (RFC 4120 §7.2.2).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::initiator::Ask;

/// An answer has no more bytes.
const ANSWER: usize = 64 * 1024;

/// A connection to a key distribution center.
pub struct Center {
    stream: TcpStream,
    limit: Duration,
}

impl Center {
    /// Over a connection; each answer must come within `limit`.
    pub fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit }
    }
}

impl Ask for Center {
    async fn ask(&mut self, request: Vec<u8>) -> std::io::Result<Vec<u8>> {
        let exchange = async {
            let length = u32::try_from(request.len()).map_err(std::io::Error::other)?;
            let framed = [&length.to_be_bytes()[..], &request].concat();
            self.stream.write_all(&framed).await?;
            let length = self.stream.read_u32().await?;
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length <= ANSWER)
                .ok_or_else(|| std::io::Error::other("the answer is too long"))?;
            let mut answer = vec![0; length];
            self.stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        timeout(self.limit, exchange).await?
    }
}
