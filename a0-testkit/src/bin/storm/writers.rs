//! Publishers, and programs that change a configuration.

use std::thread::sleep;
use std::time::Duration;

use a0_std::{Cfg, Error, Publisher};
use serde_json::{Map, Value, json};

use crate::nested::Half;
use crate::orders::Outcome;
use crate::payload::Author;
use crate::stage::{Stage, existing};
use crate::stats::{Counter, Phase};

/// Publishes until it is told to leave.
pub(crate) fn publish(stage: &Stage) -> Outcome {
    let mut publisher = Publisher::with_options(&stage.orders.topic, &stage.file_options())?;
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        author.next();
        // A loan is filled in two steps, to be killed in between.
        let published = stage.role.timed(|| match author.count_is_even() {
            true => Half::begin(&stage.role, &publisher, &author).map(Half::finish),
            false => publisher.publish_with(&author.headers(), &author.payload).map(drop),
        });
        match published {
            // It has come back so often that it keeps too many removed files.
            Err(Error::TopicRemoved { .. }) if stage.orders.anew.is_some() => {
                stage.role.add(Counter::Removed, 1);
                publisher = Publisher::with_options(&stage.orders.topic, &stage.file_options())?;
                continue;
            }
            published => published?,
        }
        stage.role.add(Counter::Messages, 1);
        if stage.pause() > 0 && author.below(4) == 0 {
            sleep(Duration::from_micros(author.below(stage.pause())));
        }
    }
    Ok(())
}

/// Counts up a member of its own, and looks that nobody else's patch takes it away.
pub(crate) fn patch(stage: &Stage) -> Outcome {
    let cfg = Cfg::with_options(&stage.orders.topic, &existing())?;
    let mut author = Author::new(stage.orders.seed, 0);
    let member = format!("role{}", stage.orders.role);
    let read = || -> Outcome<Option<u64>> {
        let config: Option<Map<String, Value>> = cfg.read_as()?;
        Ok(config.and_then(|config| config.get(&member)?.as_u64()))
    };
    let mut expected = read()?;
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        let next = expected.map_or(0, |count| count + 1);
        stage.role.timed(|| cfg.merge_patch(json!({ (&*member): next }).to_string()))?;
        stage.role.add(Counter::Patches, 1);
        expected = read()?;
        if expected != Some(next) {
            stage.role.add(Counter::LostPatches, 1);
        }
        sleep(Duration::from_micros(author.below(stage.pause().max(1))));
    }
    Ok(())
}
