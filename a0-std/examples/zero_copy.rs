//! Images that nobody copies: one side puts them together in the topic itself, the other looks at them there.
//!
//! `cargo run --release -p a0-std --example zero_copy`; it plays both sides and compares with copying.

use std::thread::scope;
use std::time::{Duration, Instant};

use a0_std::{Error, Publisher, Result, SubscriberSync};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
const IMAGES: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes images of one grey each, and waits until each was looked at.
fn play(name: &str, camera: &Publisher, eye: &mut SubscriberSync, copying: bool) -> Result<()> {
    let seen = Publisher::new("example/zero_copy/seen")?;
    let mut answers = SubscriberSync::new("example/zero_copy/seen", ())?;
    let started = Instant::now();
    scope(|scope| -> Result<()> {
        let looking = scope.spawn(move || -> Result<()> {
            for _ in 0..IMAGES {
                let middle = WIDTH * HEIGHT / 2;
                let pixel = if copying {
                    eye.read_blocking(PATIENCE)?.payload().get(middle).copied()
                } else {
                    match eye.read_in_place_blocking(PATIENCE, |view| view.array(middle)) {
                        Ok(pixel) => pixel.map(|[grey]| grey),
                        // The camera was faster: whatever was seen is worth nothing.
                        Err(Error::Overwritten { .. }) => None,
                        Err(other) => return Err(other),
                    }
                };
                seen.publish([pixel.unwrap_or_default()])?;
            }
            Ok(())
        });
        for n in 0..IMAGES {
            let grey = n as u8;
            if copying {
                let mut image = vec![0; WIDTH * HEIGHT];
                draw(&mut image, grey);
                camera.publish_with(&[("format", "grey8")], &image)?;
            } else {
                let mut image = camera.loan_with(&[("format", "grey8")], WIDTH * HEIGHT)?;
                image.with(|image| draw(image, grey));
                image.commit();
            }
            assert_eq!(answers.read_blocking(PATIENCE)?.payload(), [grey]);
        }
        looking.join().expect("it does not panic")
    })?;
    println!("{name:12} {:?} per image of {} KiB, there and back", started.elapsed() / IMAGES, WIDTH * HEIGHT / 1024);
    Ok(())
}

/// What takes its time in a camera. Here it changes little, so that copies show.
fn draw(image: &mut [u8], grey: u8) {
    for row in image.chunks_exact_mut(WIDTH) {
        row[WIDTH / 2] = grey;
    }
    image[WIDTH * HEIGHT / 2] = grey;
}

fn main() -> Result<()> {
    let camera = Publisher::new("example/zero_copy")?;
    let mut eye = SubscriberSync::new("example/zero_copy", ())?;
    play("copying", &camera, &mut eye, true)?;
    play("in place", &camera, &mut eye, false)
}
