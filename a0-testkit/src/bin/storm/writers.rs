//! Publishers, and programs that change a configuration.

use std::thread::sleep;
use std::time::Duration;

use a0_std::{Cfg, Error, Published, Publisher};
use serde_json::{Map, Value, json};

use crate::child::{Outcome, Stage, existing};
use crate::payload::{Author, COUNT, WRITER};
use crate::stats::{Counter, Phase};

/// Publishes until it is told to leave.
pub(crate) fn publish(stage: &Stage) -> Outcome {
    let publisher = Publisher::with_options(&stage.orders.topic, &existing())?;
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        author.next();
        let headers = [(WRITER, &*author.writer), (COUNT, &*author.number)];
        let lends = author.count_is_even();
        stage.role.timed(|| match lends {
            true => lend(&publisher, &headers, &author.payload),
            false => publisher.publish_with(&headers, &author.payload),
        })?;
        stage.role.add(Counter::Messages, 1);
        if stage.pause() > 0 && author.below(4) == 0 {
            sleep(Duration::from_micros(author.below(stage.pause())));
        }
    }
    Ok(())
}

/// Fills a loan in two steps, to be killed in between.
fn lend(publisher: &Publisher, headers: &[(&str, &str)], payload: &[u8]) -> Result<Published, Error> {
    let (first, rest) = payload.split_at(payload.len() / 2);
    let mut loan = publisher.loan_with(headers, payload.len())?;
    loan.with(|bytes| bytes[..first.len()].copy_from_slice(first));
    loan.write_at(first.len(), rest);
    Ok(loan.commit())
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
