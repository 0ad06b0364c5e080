//! Writers that use LMDB in the thread that publishes. A write transaction holds a robust mutex of the C library: when its
//! holder dies, whoever else wants to write must get it, whatever that holder did with topics meanwhile.
#![allow(unsafe_code)]

use std::thread::sleep;
use std::time::Duration;

use a0_std::Publisher;
use heed::types::{Str, U64};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, RwTxn};

use crate::cast::{LMDB_AROUND, LMDB_INSIDE};
use crate::nested::Half;
use crate::orders::Outcome;
use crate::payload::Author;
use crate::stage::Stage;
use crate::stats::{Counter, Phase};

type Numbers<'e> = Database<'e, Str, U64<heed::byteorder::NativeEndian>>;

/// Where the transactions that were committed are counted.
const COUNT: &str = "count";

/// Longest pause of a writer that holds everything, in microseconds; one in so many times it makes one.
const PAUSE: u64 = 2_000;
const PAUSES: u64 = 4;

/// What is held until the end of a round.
enum Held<'h> {
    Loan(Half<'h>),
    Transaction(RwTxn<'h>),
}

pub(crate) fn run(stage: &Stage) -> Outcome {
    let dir = stage.orders.dir.join("lmdb");
    std::fs::create_dir_all(&dir)?;
    // SAFETY: nobody but the storm changes what is there, each process by one environment.
    let env = unsafe { EnvOpenOptions::new().open(&dir) }?;
    let numbers: Numbers<'_> = env
        .create_databases_and_commit(env.write_txn()?, |databases, txn| {
            databases.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })?
        .unwrap_commit();
    let publish = |topic| Publisher::with_options(topic, &stage.file_options());
    let publishers = (publish(LMDB_AROUND)?, publish(LMDB_INSIDE)?);
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        stage.role.timed(|| round(stage, &env, &numbers, &publishers, &mut author))?;
        if stage.pause() > 0 {
            sleep(Duration::from_micros(author.below(stage.pause())));
        }
    }
    Ok(())
}

/// Loans one topic, begins a transaction, publishes on the other topic or loans it, and ends all of that in any order.
/// Each step may be left out, but all go through them in this order: LMDB waits without end for whoever waits for it.
fn round(
    stage: &Stage,
    env: &Env,
    numbers: &Numbers<'_>,
    (around, inside): &(Publisher, Publisher),
    author: &mut Author,
) -> Outcome {
    let mut held = vec![];
    author.next();
    if author.below(2) == 0 {
        held.push(Held::Loan(Half::begin(&stage.role, around, author)?));
    } else {
        around.publish_with(&author.headers(), &author.payload)?;
    }
    if author.below(4) > 0 {
        let mut txn = env.write_txn()?;
        stage.role.set(Counter::InTransaction, 1);
        let count = numbers.get(&txn, COUNT)?.unwrap_or_default();
        numbers.put(&mut txn, COUNT, &(count + 1))?;
        held.push(Held::Transaction(txn));
    }
    author.next();
    if author.below(2) == 0 {
        held.push(Held::Loan(Half::begin(&stage.role, inside, author)?));
    } else {
        inside.publish_with(&author.headers(), &author.payload)?;
    }
    if author.below(PAUSES) == 0 {
        sleep(Duration::from_micros(author.below(PAUSE)));
    }
    author.shuffle(&mut held);
    for held in held {
        match held {
            Held::Loan(loan) => loan.finish(),
            Held::Transaction(txn) => {
                txn.commit()?;
                stage.role.set(Counter::InTransaction, 0);
                stage.role.add(Counter::Transactions, 1);
            }
        }
    }
    Ok(())
}
