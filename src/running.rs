//! Which of the running labs is meant.

use clap::Args;
use lab_core::run::client::{RunningLab, running_labs};
use lab_core::run::control::Refusal;

use crate::output::Failure;

/// Which of the running labs is meant; part of every command line.
#[derive(Debug, Args)]
pub struct Which {
    /// The lab, where several are up
    #[arg(short = 'l', long = "lab", value_name = "NAME", global = true)]
    pub name: Option<String>,
}

impl Which {
    /// For a verb that works on no running lab, or on one that a file names.
    ///
    /// # Errors
    /// A lab was named all the same.
    pub fn unused(&self) -> Result<(), Failure> {
        match &self.name {
            None => Ok(()),
            Some(name) => Err(Failure::usage(
                format!("`-l {name}` names a running lab, and this verb takes none"),
                "leave it out; a lab file says the lab's name itself",
            )),
        }
    }

    /// The lab of that name; without a name, the only one that is up.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn find(&self) -> Result<RunningLab, Refusal> {
        pick(running_labs()?, self.name.as_deref())
    }
}

/// The running lab of a name; without a name, the only one.
///
/// # Errors
/// There is none, or there are several.
pub fn pick(mut labs: Vec<RunningLab>, name: Option<&str>) -> Result<RunningLab, Refusal> {
    let names: Vec<&str> = labs.iter().map(|lab| lab.name.as_str()).collect();
    let refuse = |message: String, help: String| {
        Err(Refusal {
            message,
            help: Some(help),
            code: 2,
        })
    };
    let position = match name {
        Some(name) => labs.iter().position(|lab| lab.name == name),
        None => (labs.len() == 1).then_some(0),
    };
    match (position, name) {
        (Some(position), _) => Ok(labs.swap_remove(position)),
        (None, _) if labs.is_empty() => {
            let message = match name {
                Some(name) => format!("the lab {name} is not up, nor is any other"),
                None => "no lab is up".to_owned(),
            };
            refuse(message, "`lab up` brings one up".into())
        }
        (None, Some(name)) => refuse(
            format!("the lab {name} is not up"),
            format!("up: {}", names.join(", ")),
        ),
        (None, None) => refuse(
            format!("{} labs are up: {}", names.len(), names.join(", ")),
            format!("say which one with `-l`, for example `-l {}`", names[0]),
        ),
    }
}

#[cfg(test)]
mod tests {
    use lab_core::run::client::RunningLab;

    use super::pick;

    fn labs(names: &[&str]) -> Vec<RunningLab> {
        names
            .iter()
            .map(|name| RunningLab {
                name: (*name).into(),
                socket: "/".into(),
            })
            .collect()
    }

    #[test]
    fn one_lab_needs_no_name() {
        assert_eq!(
            pick(labs(&["nat"]), None)
                .map(|lab| lab.name)
                .ok()
                .as_deref(),
            Some("nat")
        );
    }

    #[test]
    fn of_several_one_must_be_named() {
        let refusal = pick(labs(&["contoso", "nat"]), None).expect_err("two labs are up");
        assert!(
            refusal.message.contains("contoso, nat"),
            "{}",
            refusal.message
        );
        assert_eq!(refusal.code, 2);
        assert_eq!(
            pick(labs(&["contoso", "nat"]), Some("nat"))
                .map(|lab| lab.name)
                .ok()
                .as_deref(),
            Some("nat")
        );
    }

    #[test]
    fn a_lab_that_is_not_up_is_refused_with_those_that_are() {
        let refusal = pick(labs(&["contoso"]), Some("nat")).expect_err("nat is not up");
        assert_eq!(refusal.help.as_deref(), Some("up: contoso"));
    }
}
