//! Which mutations are meant.

use std::path::PathBuf;

use clap::Args;
use lab_core::check::Lab;
use lab_core::mutate::{Family, Mutation, mutations};

/// Which mutations are meant.
#[derive(Debug, Default, Args)]
pub struct Wanted {
    /// Widen, narrow, reorder and remove each ACL rule, NAT entry, member of a pool and DNS record in
    /// turn, in labs of their own, and say what no scenario noticed
    #[arg(
        long,
        conflicts_with_all = ["step", "isolate", "junit", "html", "github", "list", "watch", "coverage"]
    )]
    pub mutate: bool,
    /// With --mutate: only these; may be repeated
    #[arg(long, value_name = "KIND", requires = "mutate", value_enum)]
    pub only: Vec<Only>,
    /// With --mutate: the first N
    #[arg(long, value_name = "N", requires = "mutate", conflicts_with = "sample")]
    pub limit: Option<usize>,
    /// With --mutate: N of them, evenly chosen, always the same
    #[arg(long, value_name = "N", requires = "mutate")]
    pub sample: Option<usize>,
    /// With --mutate: keep what was found in FILE, and go on from there
    #[arg(long, value_name = "FILE", requires = "mutate", value_hint = clap::ValueHint::FilePath)]
    pub resume: Option<PathBuf>,
}

/// What mutations change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    /// Rules of ACLs.
    Acl,
    /// Address translation.
    Nat,
    /// Members of pools.
    Member,
    /// DNS records.
    Dns,
}

impl Only {
    fn family(self) -> Family {
        match self {
            Self::Acl => Family::Acl,
            Self::Nat => Family::Nat,
            Self::Member => Family::Member,
            Self::Dns => Family::Dns,
        }
    }
}

impl Wanted {
    /// Those of a lab.
    pub fn of(&self, lab: &Lab) -> Vec<Mutation> {
        let mut all = mutations(lab);
        if !self.only.is_empty() {
            all.retain(|one| self.only.iter().any(|only| only.family() == one.family));
        }
        if let Some(limit) = self.limit {
            all.truncate(limit);
        }
        match self.sample {
            Some(sample) => chosen(all, sample),
            None => all,
        }
    }
}

/// So many of them, as far apart as they can be.
fn chosen<T>(all: Vec<T>, sample: usize) -> Vec<T> {
    let count = all.len();
    let taken = |at: usize| (at * sample) / count != ((at + 1) * sample) / count;
    let numbered = all.into_iter().enumerate();
    numbered
        .filter(|(at, _)| sample >= count || taken(*at))
        .map(|(_, one)| one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn a_sample_is_even() {
        let all: Vec<usize> = (0..10).collect();
        assert_eq!(chosen(all.clone(), 2), [4, 9]);
        assert_eq!(chosen(all.clone(), 3).len(), 3);
        assert_eq!(chosen(all.clone(), 10), all);
        assert_eq!(chosen(all.clone(), 20), all);
        assert!(chosen(all, 0).is_empty());
        assert!(chosen(Vec::<usize>::new(), 3).is_empty());
    }
}
