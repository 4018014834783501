//! What a lab needs of the kernel beyond what every lab needs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{BalancerMode, Diagnostic, Lab};
use crate::model::Place;

/// Something of the lab file that not every kernel can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The facility's name, as `lab doctor` shows it ([`crate::kernel::facility`]).
    pub facility: &'static str,
    /// What asks for it first, a subject (`the delay of a on s`).
    pub what: String,
    /// Where that stands.
    pub place: Place,
}

impl Need {
    /// The mistake that this need is on a host that refused it.
    pub fn unmet(&self, refusal: &str) -> Diagnostic {
        let Self {
            facility,
            what,
            place,
        } = self;
        Diagnostic::error(
            "lab::missing-facility",
            format!("This host can't do {what}: its kernel has no working {facility}."),
            place,
            format!("needs {facility}"),
        )
        .help(format!(
            "{refusal}; load its kernel module, take a kernel that has it, or leave this out; \
             `lab doctor` tries all that a lab may need"
        ))
    }
}

/// What a lab needs, each facility once, with the first place that asks for it.
pub fn needs(lab: &Lab) -> Vec<Need> {
    let mut first: BTreeMap<&'static str, Need> = BTreeMap::new();
    let mut need = |facility, what: String, place: &Place| {
        first.entry(facility).or_insert_with(|| Need {
            facility,
            what,
            place: place.clone(),
        });
    };
    for segment in lab.segments.values() {
        if segment
            .prefixes
            .iter()
            .any(|prefix| prefix.addr().is_ipv6())
        {
            need(
                "IPv6",
                format!("the IPv6 prefix of {}", segment.name),
                &segment.place,
            );
        }
    }
    for node in lab.nodes.values() {
        for leg in &node.attachments {
            let on = format!("{} on {}", node.name, leg.segment);
            if leg.link.rate.is_some() {
                need("tbf", format!("the rate of {on}"), &leg.place);
            }
            if leg.link.delay.is_some() || leg.link.loss_ppm.is_some() {
                need("netem", format!("the delay or loss of {on}"), &leg.place);
            }
        }
        if node.acl.is_some() {
            need("nftables", format!("the ACL of {}", node.name), &node.place);
            need(
                "conntrack",
                format!("the ACL of {}", node.name),
                &node.place,
            );
        }
        if !node.nat.is_empty() {
            let what = format!("the address translation of {}", node.name);
            need("nat", what, &node.place);
        }
    }
    for balancer in lab.balancers.values() {
        if matches!(balancer.mode, BalancerMode::Layer4 { .. }) {
            let what = format!("the layer-4 VIP {}", balancer.name);
            need("numgen", what, &balancer.place);
        }
        if balancer.vips.iter().any(IpAddr::is_ipv6) {
            need(
                "IPv6",
                format!("the VIP of {}", balancer.name),
                &balancer.place,
            );
        }
    }
    first.into_values().collect()
}
