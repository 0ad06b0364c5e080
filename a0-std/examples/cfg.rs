//! A configuration that several programs change. Run it twice at the same time: both count, and no step is lost.
//!
//! `cargo run -p a0-std --example cfg`

use std::thread::sleep;
use std::time::Duration;

use a0_std::{Cfg, CfgVar};

fn main() -> a0_std::Result<()> {
    let cfg = Cfg::new("example/cfg")?;
    cfg.write_if_empty(r#"{"speed": 1.0, "steps": {}}"#)?;
    let _watcher = cfg.watch(|config| println!("{}", String::from_utf8_lossy(config.payload())))?;

    let mut speed: CfgVar<f64> = cfg.var("/speed");
    for step in 0..10 {
        cfg.merge_patch(format!(r#"{{"steps": {{"{}": {step}}}}}"#, std::process::id()))?;
        // Somebody may have changed it: a0 cfg patch example/cfg '{"speed": 10}'
        sleep(Duration::from_secs_f64(0.2 / speed.read()?.clamp(0.1, 100.0)));
    }
    Ok(())
}
