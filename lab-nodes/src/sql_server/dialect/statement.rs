//! Tokens to statements. Nothing need stand between two statements, so it is the words that begin
//! one, and where they may stand inside of another, that tell them apart.

use super::lexer::{Token, Word};
use super::syntax;
use crate::tds::token::Notice;

/// A statement and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Step {
    pub statement: Statement,
    pub line: u32,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Statement {
    /// One for SQLite.
    Sql(Command, Vec<Token>),
    /// `SELECT @a = …, @b = … FROM …`: the names, and the select without them.
    Fetch(Vec<String>, Vec<Token>),
    /// Another database.
    Use(String),
    /// Begin a transaction.
    Begin,
    /// Commit it.
    Commit,
    /// Roll it back, to a savepoint or to the beginning.
    RollBack(Option<String>),
    /// Make a savepoint.
    Save(String),
    /// An option of the session: its name in capitals, and what it shall be.
    Option(String, String),
    /// A variable with its first value.
    Declare(String, Vec<Token>),
    /// A new value of one.
    Assign(String, Vec<Token>),
    /// A message for the client.
    Print(Vec<Token>),
    /// An error of the caller's.
    Raise(Vec<Token>),
    /// Call of a procedure.
    Execute(String),
    /// Which of two.
    If(Vec<Token>, Vec<Step>, Vec<Step>),
}

/// What a statement for SQLite does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Command {
    Select,
    Insert,
    Update,
    Delete,
    Create,
    Drop,
    Alter,
    Truncate,
}

impl Command {
    /// Its number in a token DONE.
    pub fn number(self) -> u16 {
        match self {
            Self::Select => 0xC1,
            Self::Insert => 0xC3,
            Self::Delete => 0xC4,
            Self::Update => 0xC5,
            Self::Create => 0xC6,
            Self::Drop => 0xC7,
            Self::Alter => 0xD8,
            Self::Truncate => 0xC8,
        }
    }

    /// Whether rows are what it is about.
    pub fn counts(self) -> bool {
        matches!(
            self,
            Self::Select | Self::Insert | Self::Update | Self::Delete
        )
    }
}

const STARTS: [&str; 21] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "SET",
    "USE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVE",
    "DECLARE",
    "EXEC",
    "EXECUTE",
    "PRINT",
    "IF",
    "RAISERROR",
    "MERGE",
];
/// Deepest nesting of blocks and conditions.
const DEEPEST: usize = 32;

/// The statements of a batch.
///
/// # Errors
/// The first that is none.
pub(in super::super) fn parse(tokens: &[Token]) -> Result<Vec<Step>, Notice> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
    };
    let mut steps = Vec::new();
    while parser.peek().is_some() {
        parser.statement(&mut steps)?;
    }
    Ok(steps)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += usize::from(token.is_some());
        token
    }

    fn eat(&mut self, keyword: &str) -> bool {
        let there = self.peek().is_some_and(|token| token.is(keyword));
        self.at += usize::from(there);
        there
    }

    /// What stands at the end of what was read.
    fn trouble(&self) -> Notice {
        match self.peek().or(self.tokens.last()) {
            Some(token) => syntax(token.shown(), token.line),
            None => syntax("", 1),
        }
    }

    fn statement(&mut self, steps: &mut Vec<Step>) -> Result<(), Notice> {
        let Some(first) = self.next() else {
            return Err(self.trouble());
        };
        if first.is_symbol(";") {
            return Ok(());
        }
        let line = first.line;
        let mut step = |statement| steps.push(Step { statement, line });
        let Some(keyword) = first.keyword() else {
            self.at -= 1;
            return Err(self.trouble());
        };
        match keyword.as_str() {
            "SELECT" | "WITH" => {
                self.at -= 1;
                let tokens = self.rest();
                step(select(tokens));
            }
            "INSERT" | "UPDATE" | "DELETE" | "CREATE" | "DROP" | "ALTER" | "TRUNCATE" => {
                let command = match keyword.as_str() {
                    "INSERT" => Command::Insert,
                    "UPDATE" => Command::Update,
                    "DELETE" => Command::Delete,
                    "CREATE" => Command::Create,
                    "DROP" => Command::Drop,
                    "ALTER" => Command::Alter,
                    _ => Command::Truncate,
                };
                self.at -= 1;
                step(Statement::Sql(command, self.rest().to_vec()));
            }
            "USE" => {
                let name = self.next().and_then(Token::name);
                step(Statement::Use(
                    name.ok_or_else(|| self.trouble())?.to_owned(),
                ));
            }
            "BEGIN" => {
                if self.eat("TRAN") || self.eat("TRANSACTION") {
                    self.transaction_name();
                    step(Statement::Begin);
                } else {
                    return self.block(steps);
                }
            }
            "COMMIT" => {
                let _ = self.eat("TRAN") || self.eat("TRANSACTION") || self.eat("WORK");
                self.transaction_name();
                step(Statement::Commit);
            }
            "ROLLBACK" => {
                let _ = self.eat("TRAN") || self.eat("TRANSACTION") || self.eat("WORK");
                step(Statement::RollBack(self.transaction_name()));
            }
            "SAVE" => {
                let _ = self.eat("TRAN") || self.eat("TRANSACTION");
                let name = self.transaction_name();
                step(Statement::Save(name.ok_or_else(|| self.trouble())?));
            }
            "SET" => step(self.set()?),
            "DECLARE" => {
                for (name, value) in self.declare()? {
                    step(Statement::Declare(name, value));
                }
            }
            "PRINT" => step(Statement::Print(self.rest().to_vec())),
            "RAISERROR" => step(Statement::Raise(self.rest().to_vec())),
            "EXEC" | "EXECUTE" => {
                let tokens = self.rest();
                let name = tokens.iter().map(Token::shown).collect::<String>();
                step(Statement::Execute(name));
            }
            "IF" => {
                let conditional = self.conditional()?;
                step(conditional);
            }
            _ => {
                self.at -= 1;
                return Err(self.trouble());
            }
        }
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Notice>,
    ) -> Result<T, Notice> {
        if self.depth >= DEEPEST {
            return Err(self.trouble());
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }

    fn block(&mut self, steps: &mut Vec<Step>) -> Result<(), Notice> {
        self.deeper(|parser| {
            while !parser.eat("END") {
                parser.statement(steps)?;
            }
            Ok(())
        })
    }

    fn conditional(&mut self) -> Result<Statement, Notice> {
        self.deeper(|parser| {
            let condition = parser.rest().to_vec();
            let mut then = Vec::new();
            parser.statement(&mut then)?;
            let mut otherwise = Vec::new();
            let ended = parser.at;
            while parser.peek().is_some_and(|token| token.is_symbol(";")) {
                parser.at += 1;
            }
            if parser.eat("ELSE") {
                parser.statement(&mut otherwise)?;
            } else {
                parser.at = ended;
            }
            Ok(Statement::If(condition, then, otherwise))
        })
    }

    fn transaction_name(&mut self) -> Option<String> {
        let token = self.peek()?;
        let starts = token.keyword().is_some_and(|keyword| {
            STARTS.contains(&keyword.as_str()) || matches!(keyword.as_str(), "END" | "ELSE")
        });
        let name = match &token.word {
            Word::Variable(name) => Some(name.as_str()),
            _ if starts => None,
            _ => token.name(),
        }?;
        self.at += 1;
        Some(name.to_owned())
    }

    fn set(&mut self) -> Result<Statement, Notice> {
        let tokens = self.rest();
        let [first, rest @ ..] = tokens else {
            return Err(self.trouble());
        };
        if let Word::Variable(name) = &first.word {
            return match rest {
                [equals, value @ ..] if equals.is_symbol("=") && !value.is_empty() => {
                    Ok(Statement::Assign(name.clone(), value.to_vec()))
                }
                _ => Err(self.trouble()),
            };
        }
        let value = rest.last().map(|token| token.shown().to_ascii_uppercase());
        let name = first.keyword().ok_or_else(|| self.trouble())?;
        Ok(Statement::Option(name, value.unwrap_or_default()))
    }

    fn declare(&mut self) -> Result<Vec<(String, Vec<Token>)>, Notice> {
        let tokens = self.rest();
        let mut variables = Vec::new();
        let mut depth = 0_i32;
        let parts = tokens.split(|token| {
            depth += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
            depth == 0 && token.is_symbol(",")
        });
        for part in parts {
            let Some(Word::Variable(name)) = part.first().map(|token| &token.word) else {
                return Err(self.trouble());
            };
            let equals = part.iter().position(|token| token.is_symbol("="));
            let value = equals.map_or(&[][..], |at| &part[at + 1..]);
            variables.push((name.clone(), value.to_vec()));
        }
        Ok(variables)
    }

    /// The tokens up to the end of the statement that they belong to.
    fn rest(&mut self) -> &'a [Token] {
        let start = self.at;
        let (mut depth, mut cases) = (0_i32, 0_i32);
        let mut seen = Seen::default();
        while let Some(token) = self.peek() {
            if token.is_symbol("(") {
                depth += 1;
            } else if token.is_symbol(")") {
                depth -= 1;
            } else if depth <= 0 && token.is_symbol(";") {
                let tokens = &self.tokens[start..self.at];
                self.at += 1;
                return tokens;
            } else if token.is("CASE") {
                cases += 1;
            } else if token.is("END") && cases > 0 {
                cases -= 1;
            } else if depth <= 0 && cases == 0 {
                let before = &self.tokens[start..self.at];
                if ends(token, before, &mut seen) {
                    break;
                }
            }
            self.at += 1;
        }
        &self.tokens[start..self.at]
    }
}

/// What a statement has had of what it may have once.
#[derive(Default)]
struct Seen {
    source: bool,
    set: bool,
}

/// Whether a token can't belong to the statement before it.
fn ends(token: &Token, before: &[Token], seen: &mut Seen) -> bool {
    let Some(keyword) = token.keyword() else {
        return false;
    };
    if matches!(keyword.as_str(), "END" | "ELSE") {
        return true;
    }
    let first = before.first().and_then(Token::keyword).unwrap_or_default();
    let last = before.last();
    // A name behind a point, or an alias.
    let named =
        last.is_some_and(|last| last.is_symbol(".") || (last.is("AS") && first != "CREATE"));
    let last = last.and_then(Token::keyword).unwrap_or_default();
    if matches!(keyword.as_str(), "VALUES" | "DEFAULT") && first == "INSERT" {
        seen.source = true;
    }
    if before.is_empty() || !STARTS.contains(&keyword.as_str()) {
        return false;
    }
    match keyword.as_str() {
        "SELECT" => {
            if matches!(
                last.as_str(),
                "UNION" | "ALL" | "EXCEPT" | "INTERSECT" | "AS"
            ) {
                return false;
            }
            let fed = matches!(first.as_str(), "INSERT" | "WITH") && !seen.source;
            seen.source |= fed;
            !fed
        }
        "INSERT" | "UPDATE" | "DELETE" => {
            let fed = first == "WITH" && !seen.source;
            seen.source |= fed;
            !(fed || last == "ON" || named)
        }
        "SET" => {
            let fed = matches!(first.as_str(), "UPDATE" | "WITH") && !seen.set;
            seen.set |= fed;
            !(fed || matches!(last.as_str(), "DELETE" | "UPDATE"))
        }
        "DROP" | "ALTER" => first != "ALTER",
        "IF" => first != "DROP",
        _ => !named,
    }
}

/// A select, or one that puts what it finds into variables.
fn select(tokens: &[Token]) -> Statement {
    let assigned = |part: &[Token]| match part {
        [
            Token {
                word: Word::Variable(name),
                ..
            },
            equals,
            ..,
        ] if equals.is_symbol("=") => Some(name.clone()),
        _ => None,
    };
    let [first, list @ ..] = tokens else {
        return Statement::Sql(Command::Select, tokens.to_vec());
    };
    let (mut depth, mut end) = (0_i32, list.len());
    let mut starts = vec![0];
    for (at, token) in list.iter().enumerate() {
        depth += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
        if depth == 0 && token.is("FROM") {
            end = at;
            break;
        }
        if depth == 0 && token.is_symbol(",") {
            starts.push(at + 1);
        }
    }
    let names: Option<Vec<String>> = starts.iter().map(|at| assigned(&list[*at..end])).collect();
    match names {
        Some(names) if first.is("SELECT") => {
            let skipped = |at: &usize| starts.iter().any(|start| (*start..start + 2).contains(at));
            let mut kept = vec![first.clone()];
            let list = list.iter().enumerate();
            kept.extend(
                list.filter(|(at, _)| !skipped(at))
                    .map(|(_, token)| token.clone()),
            );
            Statement::Fetch(names, kept)
        }
        _ => {
            let command = match tokens.iter().find_map(main_verb) {
                Some(command) if first.is("WITH") => command,
                _ => Command::Select,
            };
            Statement::Sql(command, tokens.to_vec())
        }
    }
}

fn main_verb(token: &Token) -> Option<Command> {
    Some(match token.keyword()?.as_str() {
        "INSERT" => Command::Insert,
        "UPDATE" => Command::Update,
        "DELETE" => Command::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::lex;
    use super::*;

    fn verbs(text: &str) -> Vec<String> {
        let steps = parse(&lex(text).expect("tokens")).expect("statements");
        let verb = |step: &Step| match &step.statement {
            Statement::Sql(command, tokens) => format!("{command:?}/{}", tokens.len()),
            other => format!("{other:?}")
                .split(['(', ' '])
                .next()
                .unwrap_or("")
                .to_owned(),
        };
        steps.iter().map(verb).collect()
    }

    #[test]
    fn statements_are_told_apart_without_semicolons() {
        assert_eq!(
            verbs("select 1 select 2; select 3"),
            ["Select/2", "Select/2", "Select/2"]
        );
        assert_eq!(
            verbs("insert into t (a) select 1 union all select 2 update t set a = 1 delete t"),
            ["Insert/12", "Update/6", "Delete/2"]
        );
        assert_eq!(
            verbs("create table t (a int) create view v as select a from t drop table if exists t"),
            ["Create/7", "Create/8", "Drop/5"]
        );
        assert_eq!(
            verbs("begin tran insert t values (1) if @@error <> 0 rollback else commit"),
            ["Begin", "Insert/6", "If"]
        );
        assert_eq!(
            verbs("set nocount on select case when 1=1 then 2 else 3 end"),
            ["Option", "Select/11"]
        );
        assert_eq!(
            verbs("with c as (select 1 a) select * from c"),
            ["Select/12"]
        );
        assert_eq!(
            verbs("declare @a int = 1, @b decimal(9,2) set @a = 2 select @a = 1"),
            ["Declare", "Declare", "Assign", "Fetch"]
        );
        assert_eq!(verbs("alter table t drop column a"), ["Alter/6"]);
        assert_eq!(
            verbs("update t set a = 1 set nocount off"),
            ["Update/6", "Option"]
        );
    }

    #[test]
    fn what_begins_no_statement_is_an_error() {
        for text in [
            "attach 'x'",
            "pragma x",
            "1",
            "if 1=1",
            "begin select 1",
            ")",
        ] {
            let parsed = lex(text).and_then(|tokens| parse(&tokens));
            assert_eq!(parsed.expect_err(text).number, 102);
        }
        let deep = "if 1=1 ".repeat(100) + "select 1";
        assert!(lex(&deep).and_then(|tokens| parse(&tokens)).is_err());
    }
}
