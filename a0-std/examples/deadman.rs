//! Holds the deadman `robot` until Enter is pressed; started a second time, waits for the first one to go, however it goes.
//!
//! `cargo run -p a0-std --example deadman`, twice; then `kill -9` the first one, or `a0 deadman state robot`.

use a0_std::Deadman;

fn main() -> a0_std::Result<()> {
    let robot = Deadman::new("robot")?;
    if robot.state()?.taken {
        println!("somebody else is the robot; waiting");
    }
    let taken = robot.take(None)?;
    if taken.previous_owner_died {
        println!("the robot before has died");
    }
    println!("this is the robot now, for the {}. time; press Enter to end it", taken.token);
    let _ = std::io::stdin().read_line(&mut String::new());
    Ok(())
}
