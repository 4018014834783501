//! A star of nodes by patchbay: one public router and devices behind it. Prints the microseconds.

use std::time::Instant;

use patchbay::{Lab, RouterPreset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes: u32 = std::env::args()
        .nth(1)
        .ok_or("usage: patchbay-star NODES")?
        .parse()?;
    patchbay::init_userns()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let started = Instant::now();
        let lab = Lab::new().await?;
        let hub = lab
            .add_router("hub")
            .preset(RouterPreset::Public)
            .build()
            .await?;
        for node in 0..nodes {
            lab.add_device(&format!("node{node}"))
                .iface("eth0", hub.id())
                .build()
                .await?;
        }
        println!("{}", started.elapsed().as_micros());
        Ok(())
    })
}
