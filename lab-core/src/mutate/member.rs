//! Mutations of pools.

use super::mutation::{Edit, Family, How, Mutation};
use crate::check::{Balancer, Lab, Member, Pool};
use crate::coverage::Subject;

pub(super) fn all(lab: &Lab) -> Vec<Mutation> {
    let pools = lab.balancers.values().flat_map(|balancer| {
        let pools = balancer.pools().into_iter().enumerate();
        pools.map(move |(at, (name, pool))| (balancer, at, name, pool))
    });
    pools
        .flat_map(|(balancer, at, name, pool)| of_pool(balancer, at, &name, pool))
        .collect()
}

fn of_pool(balancer: &Balancer, number: usize, name: &str, pool: &Pool) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (at, member) in pool.members.iter().enumerate() {
        let mut add = |how: How, word: &str, said: String, members: Vec<Member>| {
            all.push(Mutation {
                id: format!("member/{name}/{}/{word}", member.name),
                family: Family::Member,
                how,
                said,
                place: balancer.place.to_string(),
                subjects: pool
                    .members
                    .iter()
                    .map(|one| Subject::Member {
                        pool: name.to_owned(),
                        member: one.name.clone(),
                    })
                    .collect(),
                equal: (how == How::Reorder).then(|| {
                    format!("{name} gives all of its members their turn, whatever their order")
                }),
                edit: Edit::Pool {
                    balancer: balancer.name.clone(),
                    pool: number,
                    members,
                },
            });
        };
        let mut rest = pool.members.clone();
        rest.remove(at);
        let own = &member.name;
        add(
            How::Remove,
            "remove",
            format!("{own} is no member of {name}"),
            rest.clone(),
        );
        if rest.is_empty() {
            continue;
        }
        let alone = vec![member.clone()];
        let said = format!("{own} is the only member of {name}");
        add(How::Narrow, "narrow", said, alone);
        if at + 1 < pool.members.len() {
            rest.push(member.clone());
            let said = format!("{own} is the last member of {name}");
            add(How::Reorder, "reorder", said, rest);
        }
    }
    all
}
