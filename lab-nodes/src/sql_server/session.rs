//! What a session does for its client: statements, one after the other, on a thread that may wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, Statement as Prepared};

use super::database::Database;
use super::dialect::{self, Command, Statement, Step, Surroundings, error};
use super::errors;
use super::gate::Pass;
use super::result::{self, Trouble};
use super::server::Server;
use super::sink::{Sink, Stop};
use crate::tds::Version;
use crate::tds::token::{Change, Notice, Status};
use crate::tds::transaction::Request;

/// How long a statement waits for its turn to write, unless the session says.
const PATIENCE: Duration = Duration::from_secs(30);
/// Savepoints in one another at most.
const MOST_SAVEPOINTS: usize = 32;

/// Variables by name.
pub(super) type Variables = BTreeMap<String, Stored>;

/// A session.
pub(super) struct Session {
    pub server: Arc<Server>,
    pub version: Version,
    pub around: Surroundings,
    /// What is going on shall end.
    pub stop: Arc<AtomicBool>,
    pub database: Arc<Database>,
    /// The database of the login.
    first: Arc<Database>,
    pub connection: Connection,
    /// SQLite's transaction is open: the first change opens it, so that what only reads sees what
    /// others committed, and hinders nobody.
    began: bool,
    pass: Option<Pass>,
    /// Number of the transaction.
    number: u64,
    savepoints: Vec<String>,
    patience: Duration,
    counts: bool,
    gives_up: bool,
    /// Texts by handle.
    pub prepared: BTreeMap<i32, (String, Vec<String>)>,
    pub next_handle: i32,
}

impl Session {
    /// Opens a database for a client that is logged in.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn open(
        server: Arc<Server>,
        database: Arc<Database>,
        version: Version,
        around: Surroundings,
    ) -> rusqlite::Result<Self> {
        let stop = Arc::<AtomicBool>::default();
        Ok(Self {
            connection: database.open(&stop)?,
            server,
            version,
            around,
            stop,
            first: database.clone(),
            database,
            began: false,
            pass: None,
            number: 0,
            savepoints: Vec::new(),
            patience: PATIENCE,
            counts: true,
            gives_up: false,
            prepared: BTreeMap::new(),
            next_handle: 1,
        })
    }

    /// As it was after the login.
    pub fn reset(&mut self, out: &mut Sink) {
        self.undo();
        self.around.transactions = 0;
        self.patience = PATIENCE;
        self.counts = true;
        self.gives_up = false;
        self.prepared.clear();
        out.change(Change::Reset);
        // Tables of the session go with its connection.
        let first = self.first.clone();
        if let Err(notice) = self.change_to(&first) {
            out.notice(&notice);
        }
    }

    /// Runs a batch.
    pub fn batch(&mut self, text: &str, out: &mut Sink) {
        let mut variables = Variables::new();
        let _ = self.text(text, &mut variables, out);
    }

    /// Runs a text with its variables.
    ///
    /// # Errors
    /// It ended before its end; the client knows why.
    pub fn text(
        &mut self,
        text: &str,
        variables: &mut Variables,
        out: &mut Sink,
    ) -> Result<(), Stop> {
        let steps = dialect::lex(text).and_then(|tokens| dialect::parse(&tokens));
        match steps {
            Ok(steps) => self.run(&steps, variables, out),
            Err(notice) => {
                self.fail(&notice, out);
                Err(Stop::Error)
            }
        }
    }

    fn run(
        &mut self,
        steps: &[Step],
        variables: &mut Variables,
        out: &mut Sink,
    ) -> Result<(), Stop> {
        for step in steps {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Stop::Unwanted);
            }
            let done = self.step(step, variables, out);
            self.see_what_is_left(out);
            match done {
                Ok(()) => {}
                Err(Trouble::Stop(stop)) => return Err(stop),
                Err(Trouble::Notice(_)) if self.stop.load(Ordering::Relaxed) => {
                    return Err(Stop::Unwanted);
                }
                Err(Trouble::Notice(notice)) => {
                    self.fail(&notice, out);
                    if self.gives_up && self.around.transactions > 0 {
                        self.roll_back(out);
                        return Err(Stop::Error);
                    }
                    if !errors::is_about_a_row(&notice) {
                        return Err(Stop::Error);
                    }
                }
            }
            out.relieve()?;
        }
        Ok(())
    }

    /// Tells an error, and that the statement ended by it.
    pub fn fail(&mut self, notice: &Notice, out: &mut Sink) {
        self.around.error = notice.number;
        self.around.rows = 0;
        out.notice(notice);
        out.done(Status {
            failed: true,
            ..Status::default()
        });
    }

    /// SQLite takes a whole transaction back where it can't go on (no space, an interrupt).
    fn see_what_is_left(&mut self, out: &mut Sink) {
        if self.began && self.connection.is_autocommit() {
            self.forget_transaction();
            out.change(Change::RolledBack(self.number));
        }
    }

    fn step(
        &mut self,
        step: &Step,
        variables: &mut Variables,
        out: &mut Sink,
    ) -> Result<(), Trouble> {
        let line = step.line;
        match &step.statement {
            Statement::Sql(command, tokens) => {
                let sql = dialect::translate(*command, tokens, &self.around)?;
                self.sql(&sql, *command, variables, line, out)
            }
            Statement::Fetch(names, tokens) => {
                let sql = dialect::translate(Command::Select, tokens, &self.around)?;
                if let Some(values) = self.row(&sql, variables, line)? {
                    variables.extend(names.iter().cloned().zip(values));
                }
                Ok(())
            }
            Statement::Use(name) => {
                let Some(database) = self.server.database(name) else {
                    let text = format!(
                        "Database '{name}' does not exist. Make sure that the name is entered correctly."
                    );
                    return Err(error(911, 16, text, line).into());
                };
                if self.began {
                    let text = "USE is not allowed within a transaction that changed something.";
                    return Err(error(226, 16, text.into(), line).into());
                }
                let before = self.database.name.clone();
                self.change_to(&database)?;
                out.change(Change::Database(&database.name, &before));
                let text = format!("Changed database context to '{}'.", database.name);
                out.notice(&error(5701, 0, text, line));
                Ok(())
            }
            Statement::Begin => {
                self.begin(out);
                out.done(Status::default());
                Ok(())
            }
            Statement::Commit => {
                self.commit(line, out)?;
                out.done(Status::default());
                Ok(())
            }
            Statement::RollBack(to) => {
                self.roll_back_to(to.as_deref(), line, out)?;
                out.done(Status::default());
                Ok(())
            }
            Statement::Save(name) => {
                self.save(name, line)?;
                out.done(Status::default());
                Ok(())
            }
            Statement::Option(name, value) => {
                self.set(name, value);
                out.done(Status::default());
                Ok(())
            }
            Statement::Declare(name, tokens) if tokens.is_empty() => {
                variables.insert(name.clone(), Stored::Null);
                Ok(())
            }
            Statement::Declare(name, tokens) => {
                let value = self.value(tokens, variables, line)?;
                variables.insert(name.clone(), value);
                Ok(())
            }
            Statement::Assign(name, tokens) => {
                if !variables.contains_key(name) {
                    return Err(undeclared(name, line).into());
                }
                let value = self.value(tokens, variables, line)?;
                variables.insert(name.clone(), value);
                Ok(())
            }
            Statement::Print(tokens) => {
                let text = shown(self.value(tokens, variables, line)?);
                out.notice(&error(0, 0, text, line));
                Ok(())
            }
            Statement::Raise(tokens) => {
                let text = tokens.iter().find_map(|token| match &token.word {
                    dialect::Word::Text(text) => Some(text.clone()),
                    dialect::Word::Variable(name) => variables.get(name).cloned().map(shown),
                    _ => None,
                });
                Err(error(50000, 16, text.unwrap_or_default(), line).into())
            }
            Statement::Execute(name) => {
                let text = format!("Could not find stored procedure '{name}'.");
                Err(error(2812, 16, text, line).into())
            }
            Statement::If(tokens, then, otherwise) => {
                let sql = dialect::condition(tokens, &self.around)?;
                let row = self.row(&sql, variables, line)?;
                let holds = row.and_then(|row| row.into_iter().next()) == Some(Stored::Integer(1));
                let chosen = if holds { then } else { otherwise };
                self.run(chosen, variables, out).map_err(Trouble::Stop)
            }
        }
    }

    /// The value of an expression.
    fn value(
        &mut self,
        tokens: &[dialect::Token],
        variables: &Variables,
        line: u32,
    ) -> Result<Stored, Notice> {
        let sql = dialect::expression(tokens, &self.around)?;
        let row = self.row(&sql, variables, line)?;
        Ok(row
            .and_then(|row| row.into_iter().next())
            .unwrap_or(Stored::Null))
    }

    /// The first row of a query that changes nothing.
    fn row(
        &mut self,
        sql: &str,
        variables: &Variables,
        line: u32,
    ) -> Result<Option<Vec<Stored>>, Notice> {
        let prepared = self.connection.prepare(sql);
        let mut prepared = prepared.map_err(|reason| errors::translate(&reason, line))?;
        bind(&mut prepared, variables, line)?;
        result::first(&mut prepared, line)
    }

    fn sql(
        &mut self,
        sql: &str,
        command: Command,
        variables: &Variables,
        line: u32,
        out: &mut Sink,
    ) -> Result<(), Trouble> {
        let trouble = |reason| errors::translate(&reason, line);
        let mut prepared = self.connection.prepare(sql).map_err(trouble)?;
        bind(&mut prepared, variables, line)?;
        // Held until the statement is done, where it is a transaction of its own.
        let mut pass = None;
        if !prepared.readonly() && self.pass.is_none() {
            let entered = self.database.gate.enter(self.patience, &self.stop);
            let text = "Lock request time out period exceeded.";
            pass = Some(entered.ok_or_else(|| error(1222, 16, text.into(), line))?);
            if self.around.transactions > 0 {
                self.connection
                    .execute_batch("BEGIN IMMEDIATE")
                    .map_err(trouble)?;
                self.began = true;
                self.pass = pass.take();
            }
        }
        let rows = if prepared.column_count() > 0 {
            out.follow();
            result::send(&mut prepared, self.version, line, out)?
        } else {
            let changed = prepared.raw_execute().map_err(trouble)?;
            if command.counts() { changed as u64 } else { 0 }
        };
        drop(prepared);
        drop(pass);
        if command == Command::Insert && rows > 0 {
            self.around.identity = Some(self.connection.last_insert_rowid());
        }
        self.around.error = 0;
        self.around.rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let counts = command.counts() && (self.counts || command == Command::Select);
        out.done(Status {
            rows: counts.then_some(rows),
            command: command.number(),
            ..Status::default()
        });
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "NOCOUNT" => self.counts = value != "ON",
            "XACT_ABORT" => self.gives_up = value == "ON",
            "LOCK_TIMEOUT" => {
                // -1 waits as long as it takes, which a number without its sign is not told from.
                let millis = value.parse().unwrap_or(PATIENCE.as_millis() as u64);
                self.patience = Duration::from_millis(millis.min(600_000));
            }
            // Options of how values are compared and shown, which are as clients set them.
            _ => {}
        }
    }

    fn change_to(&mut self, database: &Arc<Database>) -> Result<(), Notice> {
        let opened = database.open(&self.stop);
        self.connection = opened.map_err(|reason| errors::translate(&reason, 1))?;
        self.database = database.clone();
        self.around.database = database.name.clone();
        Ok(())
    }

    /// What a request to the transaction manager asks for.
    pub fn manage(&mut self, request: &Request, out: &mut Sink) {
        let managed = match request {
            Request::Begin => {
                self.begin(out);
                Ok(())
            }
            Request::Commit { and_begin } => self.commit(1, out).inspect(|()| {
                if *and_begin {
                    self.begin(out)
                }
            }),
            Request::RollBack { to, and_begin } => {
                self.roll_back_to(to.as_deref(), 1, out).inspect(|()| {
                    if *and_begin {
                        self.begin(out)
                    }
                })
            }
            Request::Save(name) => self.save(name, 1),
            Request::Distributed => {
                let text = "Transactions over several servers are not served here.";
                Err(error(8501, 16, text.into(), 1))
            }
        };
        match managed {
            Ok(()) => out.done(Status::default()),
            Err(notice) => self.fail(&notice, out),
        }
    }

    fn begin(&mut self, out: &mut Sink) {
        self.around.transactions += 1;
        if self.around.transactions == 1 {
            self.number += 1;
            out.change(Change::Begun(self.number));
        }
    }

    fn commit(&mut self, line: u32, out: &mut Sink) -> Result<(), Notice> {
        match self.around.transactions {
            0 => {
                let text = "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
                return Err(error(3902, 16, text.into(), line));
            }
            1 => {}
            _ => {
                self.around.transactions -= 1;
                return Ok(());
            }
        }
        if self.began
            && let Err(reason) = self.connection.execute_batch("COMMIT")
        {
            let notice = errors::translate(&reason, line);
            self.roll_back(out);
            return Err(notice);
        }
        self.forget_transaction();
        out.change(Change::Committed(self.number));
        Ok(())
    }

    fn roll_back_to(&mut self, to: Option<&str>, line: u32, out: &mut Sink) -> Result<(), Notice> {
        if self.around.transactions == 0 {
            let text = "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
            return Err(error(3903, 16, text.into(), line));
        }
        let saved = to.and_then(|to| self.savepoints.iter().rposition(|name| name == to));
        match saved {
            Some(at) => {
                let sql = format!("ROLLBACK TO s{at}");
                let done = self.connection.execute_batch(&sql);
                done.map_err(|reason| errors::translate(&reason, line))?;
                self.savepoints.truncate(at + 1);
            }
            // The name of the transaction itself.
            None => self.roll_back(out),
        }
        Ok(())
    }

    /// A savepoint is a change: it opens SQLite's transaction.
    fn save(&mut self, name: &str, line: u32) -> Result<(), Notice> {
        if self.around.transactions == 0 {
            let text = "Cannot issue SAVE TRANSACTION when there is no active transaction.";
            return Err(error(628, 16, text.into(), line));
        }
        if self.savepoints.len() >= MOST_SAVEPOINTS {
            return Err(error(
                50000,
                16,
                "There are too many savepoints.".into(),
                line,
            ));
        }
        let trouble = |reason| errors::translate(&reason, line);
        if !self.began {
            let pass = self.database.gate.enter(self.patience, &self.stop);
            let text = "Lock request time out period exceeded.";
            self.pass = Some(pass.ok_or_else(|| error(1222, 16, text.into(), line))?);
            self.connection
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(trouble)?;
            self.began = true;
        }
        let sql = format!("SAVEPOINT s{}", self.savepoints.len());
        self.connection.execute_batch(&sql).map_err(trouble)?;
        self.savepoints.push(name.to_owned());
        Ok(())
    }

    fn roll_back(&mut self, out: &mut Sink) {
        if self.around.transactions > 0 {
            self.undo();
            out.change(Change::RolledBack(self.number));
        }
    }

    fn undo(&mut self) {
        if self.began && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.forget_transaction();
    }

    fn forget_transaction(&mut self) {
        self.began = false;
        self.pass = None;
        self.around.transactions = 0;
        self.savepoints.clear();
    }
}

fn undeclared(name: &str, line: u32) -> Notice {
    let text = format!("Must declare the scalar variable \"{name}\".");
    error(137, 15, text, line)
}

fn shown(value: Stored) -> String {
    result::text_of(value)
}

fn bind(prepared: &mut Prepared<'_>, variables: &Variables, line: u32) -> Result<(), Notice> {
    for at in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(at).unwrap_or_default().to_owned();
        let value = variables
            .get(&name)
            .ok_or_else(|| undeclared(&name, line))?;
        let bound = prepared.raw_bind_parameter(at, value);
        bound.map_err(|reason| errors::translate(&reason, line))?;
    }
    Ok(())
}
