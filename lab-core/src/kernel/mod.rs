//! Linux, a thin file per facility. Decides nothing: it does what a plan says and
//! tells what the kernel answered. The only place with `unsafe`.

pub mod cgroup;
pub mod channel;
pub mod connect;
pub mod conntrack;
pub mod facility;
pub mod heads;
pub mod identity;
pub mod interrupt;
pub mod link_news;
pub mod mount;
pub mod neighbour_table;
pub mod netns;
pub mod network;
pub mod nft;
pub mod packet;
pub mod process;
pub mod seccomp;
pub mod socket;
pub mod sysctl;
pub mod tun;

#[cfg(test)]
mod testing;
