//! The end of a connection. A server may answer before it has read all of a request, and close:
//! TCP then resets the connection, and what the client has not read of the answer is lost (RFC 9112
//! §9.6). So the closing side stops sending first, and reads on for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a client may go on to send what nobody reads.
const LONGEST: Duration = Duration::from_secs(5);

/// A connection that reads on after it was shut down, until the other side closes it, too, or five
/// seconds have passed.
pub struct Lingering<S> {
    stream: S,
    since: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    /// That connection.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            since: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.since.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let since = this
            .since
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LONGEST)));
        let mut unread = [0; 4096];
        while since.as_mut().poll(context).is_pending() {
            let mut into = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut into));
            // A reset is an end as good as another.
            if read.is_err() || into.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::Lingering;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn an_answer_that_comes_early_is_not_lost_to_who_still_sends() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let to = listener.local_addr()?;
        let serve = async {
            let (stream, _) = listener.accept().await?;
            let mut stream = Lingering::new(stream);
            stream.read_exact(&mut [0; 8]).await?;
            stream.write_all(b"too long").await?;
            stream.shutdown().await
        };
        let ask = async {
            let mut client = TcpStream::connect(to).await?;
            // More than the kernel's buffers of both sides hold.
            client.write_all(&vec![0; 32 << 20]).await?;
            client.shutdown().await?;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        let ((), answer) = tokio::try_join!(serve, ask)?;
        assert_eq!(answer, "too long");
        Ok(())
    }
}
