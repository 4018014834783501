//! The procedures that clients call: texts with parameters, prepared or not ([MS-TDS] §2.2.6.6).

use super::dialect::{Word, error, lex};
use super::result::stored;
use super::session::{Session, Variables};
use super::sink::{Sink, Stop};
use crate::tds::rpc::{Call, Parameter};
use crate::tds::token::Notice;
use crate::tds::types::Type;
use crate::tds::value::Value;

/// Most texts that a session has prepared.
const MOST_PREPARED: usize = 1000;

impl Session {
    /// Carries out calls, one after the other.
    pub fn calls(&mut self, calls: Vec<Call>, out: &mut Sink) {
        for call in calls {
            out.in_procedure = true;
            let procedure = call.procedure.clone();
            let called = self.call(call, out);
            out.in_procedure = false;
            match called {
                Ok(()) => out.procedure_done(false),
                Err(Trouble::Told(Stop::Error)) => out.procedure_done(true),
                Err(Trouble::Told(Stop::Unwanted)) => return,
                Err(Trouble::Notice(notice)) => {
                    tracing::debug!("{procedure}: {}", notice.text);
                    out.notice(&notice);
                    self.around.error = notice.number;
                    out.procedure_done(true);
                }
            }
        }
    }

    fn call(&mut self, call: Call, out: &mut Sink) -> Result<(), Trouble> {
        let name = call.procedure.trim_start_matches("sys.").to_owned();
        let mut parameters = call.parameters.into_iter();
        match name.as_str() {
            "sp_executesql" => {
                let text = text_of(parameters.next(), "stmt")?;
                let declared = parameters.next().map(|p| names_in(&p)).transpose()?;
                let declared = declared.unwrap_or_default();
                self.execute(&text, &declared, parameters, out)?;
            }
            "sp_prepare" => {
                parameters.next();
                let declared = parameters.next().map(|p| names_in(&p)).transpose()?;
                let text = text_of(parameters.next(), "stmt")?;
                let handle = self.keep(text, declared.unwrap_or_default())?;
                give_handle(handle, out);
            }
            "sp_prepexec" => {
                parameters.next();
                let declared = parameters.next().map(|p| names_in(&p)).transpose()?;
                let declared = declared.unwrap_or_default();
                let text = text_of(parameters.next(), "stmt")?;
                let handle = self.keep(text.clone(), declared.clone())?;
                self.execute(&text, &declared, parameters, out)?;
                give_handle(handle, out);
            }
            "sp_execute" => {
                let handle = handle_of(parameters.next())?;
                let Some((text, declared)) = self.prepared.get(&handle).cloned() else {
                    let text = format!("Could not find prepared statement with handle {handle}.");
                    return Err(error(8179, 16, text, 1).into());
                };
                self.execute(&text, &declared, parameters, out)?;
            }
            "sp_unprepare" => {
                let handle = handle_of(parameters.next())?;
                self.prepared.remove(&handle);
                out.follow();
                out.tokens.return_status(0);
            }
            "sp_reset_connection" => {
                self.reset(out);
                out.follow();
                out.tokens.return_status(0);
            }
            _ => {
                let text = format!("Could not find stored procedure '{name}'.");
                return Err(error(2812, 16, text, 1).into());
            }
        }
        Ok(())
    }

    fn keep(&mut self, text: String, declared: Vec<String>) -> Result<i32, Notice> {
        if self.prepared.len() >= MOST_PREPARED {
            let text = "The session has too many prepared statements.";
            return Err(error(701, 17, text.into(), 1));
        }
        let handle = self.next_handle;
        self.next_handle = handle.wrapping_add(1);
        self.prepared.insert(handle, (text, declared));
        Ok(handle)
    }

    fn execute(
        &mut self,
        text: &str,
        declared: &[String],
        parameters: impl Iterator<Item = Parameter>,
        out: &mut Sink,
    ) -> Result<(), Trouble> {
        let mut variables = Variables::new();
        let mut returned = Vec::new();
        for (at, parameter) in parameters.enumerate() {
            let name = if parameter.name.is_empty() {
                declared.get(at).cloned().ok_or_else(|| {
                    let text = "There are more parameters than were declared.";
                    error(8144, 16, text.into(), 1)
                })?
            } else {
                parameter.name.to_lowercase()
            };
            if parameter.output {
                returned.push((
                    at,
                    parameter.name.clone(),
                    name.clone(),
                    parameter.kind.kind,
                ));
            }
            variables.insert(name, stored(parameter.value));
        }
        if let Some(missing) = declared.iter().find(|name| !variables.contains_key(*name)) {
            let text = format!(
                "The parameterized query expects the parameter '{missing}', which was not supplied."
            );
            return Err(error(8178, 16, text, 1).into());
        }
        self.text(text, &mut variables, out)
            .map_err(Trouble::Told)?;
        out.follow();
        out.tokens.return_status(0);
        for (at, shown, name, kind) in returned {
            let value = variables
                .remove(&name)
                .unwrap_or(rusqlite::types::Value::Null);
            let (kind, value) = super::result::returned(value, kind);
            let place = u16::try_from(at).unwrap_or(u16::MAX);
            out.tokens.return_value(place, &shown, kind, &value);
        }
        Ok(())
    }
}

enum Trouble {
    /// The client knows.
    Told(Stop),
    Notice(Notice),
}

impl From<Notice> for Trouble {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

fn give_handle(handle: i32, out: &mut Sink) {
    out.follow();
    let value = Value::Int(handle.into());
    out.tokens.return_value(0, "@handle", Type::Int(4), &value);
}

fn text_of(parameter: Option<Parameter>, what: &str) -> Result<String, Notice> {
    match parameter.map(|parameter| parameter.value) {
        Some(Value::Text(text)) => Ok(text),
        _ => {
            let text =
                format!("Procedure expects parameter '@{what}' of type 'ntext/nchar/nvarchar'.");
            Err(error(214, 16, text, 1))
        }
    }
}

fn handle_of(parameter: Option<Parameter>) -> Result<i32, Notice> {
    match parameter.map(|parameter| parameter.value) {
        Some(Value::Int(handle)) => Ok(i32::try_from(handle).unwrap_or(0)),
        _ => {
            let text = "Procedure expects parameter '@handle' of type 'int'.";
            Err(error(214, 16, text.into(), 1))
        }
    }
}

/// The names in `@a int, @b nvarchar(20)`, in their order.
fn names_in(parameter: &Parameter) -> Result<Vec<String>, Notice> {
    let Value::Text(text) = &parameter.value else {
        return Ok(Vec::new());
    };
    let tokens = lex(text)?;
    let names = tokens.into_iter().filter_map(|token| match token.word {
        Word::Variable(name) => Some(name),
        _ => None,
    });
    Ok(names.collect())
}
