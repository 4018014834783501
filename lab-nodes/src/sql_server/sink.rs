//! Where an answer goes while it is being made: in pieces, so that no result need fit into memory.

use tokio::sync::mpsc;

use crate::tds::Version;
use crate::tds::token::{Change, Done, Notice, Status, Tokens};

/// Bytes that are sent together.
const PIECE: usize = 16 << 10;

/// Why a batch ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// An error ended it; the client knows.
    Error,
    /// The client is gone, or wants no more.
    Unwanted,
}

/// An answer that is being made.
pub(super) struct Sink {
    /// What was not sent yet.
    pub tokens: Tokens,
    /// The server's name, which is told with messages.
    server: String,
    /// The last end, which is not sent before it is known whether more follows.
    end: Option<(Done, Status)>,
    pieces: mpsc::Sender<Vec<u8>>,
    /// Statements of a procedure.
    pub in_procedure: bool,
    /// Rows of all statements.
    pub rows: u64,
    /// The first error.
    pub error: Option<i32>,
}

impl Sink {
    pub fn new(version: Version, server: &str, pieces: mpsc::Sender<Vec<u8>>) -> Self {
        Self {
            tokens: Tokens::new(version),
            server: server.to_owned(),
            end: None,
            pieces,
            in_procedure: false,
            rows: 0,
            error: None,
        }
    }

    /// Sends what is there, if it is much.
    ///
    /// # Errors
    /// Nobody wants it.
    pub fn relieve(&mut self) -> Result<(), Stop> {
        if self.tokens.bytes.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.tokens.bytes);
        self.pieces.blocking_send(piece).map_err(|_| Stop::Unwanted)
    }

    /// Tells the client something.
    pub fn notice(&mut self, notice: &Notice) {
        self.follow();
        if notice.severity > 10 {
            self.error.get_or_insert(notice.number);
        }
        self.tokens.notice(notice, &self.server);
    }

    /// Tells of a change.
    pub fn change(&mut self, change: Change<'_>) {
        self.follow();
        self.tokens.change(change);
    }

    /// Says that more follows what ended.
    pub fn follow(&mut self) {
        if let Some((what, status)) = self.end.take() {
            self.tokens.done(
                what,
                Status {
                    more: true,
                    ..status
                },
            );
        }
    }

    /// A statement ended.
    pub fn done(&mut self, status: Status) {
        self.follow();
        self.rows += status.rows.unwrap_or(0);
        let what = if self.in_procedure {
            Done::InProcedure
        } else {
            Done::Batch
        };
        self.end = Some((what, status));
    }

    /// A procedure ended.
    pub fn procedure_done(&mut self, failed: bool) {
        self.follow();
        let status = Status {
            failed,
            ..Status::default()
        };
        self.end = Some((Done::Procedure, status));
    }

    /// All ended; sends the rest.
    pub fn finish(mut self) -> (u64, Option<i32>) {
        let (what, status) = self.end.take().unwrap_or((Done::Batch, Status::default()));
        self.tokens.done(what, status);
        let _ = self
            .pieces
            .blocking_send(std::mem::take(&mut self.tokens.bytes));
        (self.rows, self.error)
    }
}
