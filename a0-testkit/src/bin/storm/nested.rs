//! Writers that hold loans of several topics at once, taken in any order and given back in any other.

use std::thread::sleep;
use std::time::Duration;

use a0_core::LockError;
use a0_std::{Error, Loan, Publisher};

use crate::cast::NESTED;
use crate::orders::Outcome;
use crate::payload::Author;
use crate::stage::Stage;
use crate::stats::{Counter, Phase, Role};

/// Longest pause inside a loan, in microseconds; one in so many loans has one.
const PAUSE: u64 = 2_000;
const PAUSES: u64 = 8;

/// A loan with half of its payload in it.
pub(crate) struct Half<'p> {
    loan: Loan<'p>,
    rest: Vec<u8>,
    role: &'p Role,
}

impl<'p> Half<'p> {
    /// Loans room for the author's message.
    pub(crate) fn begin(role: &'p Role, publisher: &'p Publisher, author: &Author) -> Result<Half<'p>, Error> {
        let (first, rest) = author.payload.split_at(author.payload.len() / 2);
        let mut loan = publisher.loan_with(&author.headers(), author.payload.len())?;
        role.add(Counter::Loans, 1);
        loan.write_at(0, first);
        Ok(Half { loan, rest: rest.to_vec(), role })
    }

    pub(crate) fn finish(mut self) {
        self.loan.write_at(self.loan.len() - self.rest.len(), &self.rest);
        self.loan.commit();
        self.role.set(Counter::Loans, self.role.get(Counter::Loans) - 1);
    }

    pub(crate) fn drop(self) {
        drop(self.loan);
        self.role.set(Counter::Loans, self.role.get(Counter::Loans) - 1);
    }
}

pub(crate) fn run(stage: &Stage) -> Outcome {
    let mut publishers = vec![];
    for topic in NESTED {
        publishers.push(Publisher::with_options(topic, &stage.file_options())?);
    }
    let mut order: Vec<&Publisher> = publishers.iter().collect();
    let mut author = Author::new(stage.orders.seed, stage.orders.largest);
    stage.ready()?;
    while !stage.is_over(Phase::WritersStop) {
        author.shuffle(&mut order);
        stage.role.timed(|| nest(stage, &order, &mut author))?;
        if stage.pause() > 0 {
            sleep(Duration::from_micros(author.below(stage.pause())));
        }
    }
    Ok(())
}

/// Loans one topic after the other, and publishes on those that are left, if any.
fn nest(stage: &Stage, order: &[&Publisher], author: &mut Author) -> Outcome {
    let mut loans = vec![];
    let depth = 1 + author.below(order.len() as u64) as usize;
    for publisher in &order[..depth] {
        author.next();
        match Half::begin(&stage.role, publisher, author) {
            Ok(loan) => loans.push(loan),
            Err(error) => failed(stage, error)?,
        }
        if author.below(PAUSES) == 0 {
            sleep(Duration::from_micros(author.below(PAUSE)));
        }
    }
    for publisher in &order[depth..] {
        author.next();
        if let Err(error) = publisher.publish_with(&author.headers(), &author.payload) {
            failed(stage, error)?;
        }
    }
    author.shuffle(&mut loans);
    for loan in loans {
        if author.below(PAUSES) == 0 { loan.drop() } else { loan.finish() }
    }
    Ok(())
}

/// Whoever holds what others want, and the other way round, gets an error, one of them. Gives back what else it may be.
fn failed(stage: &Stage, error: Error) -> Outcome {
    let counter = match error {
        Error::Topic { cause: a0_core::Error::Lock(LockError::Recursive), .. } => Counter::Refused,
        Error::Topic { cause: a0_core::Error::Lock(LockError::TimedOut { .. }), .. } => Counter::LockErrors,
        other => return Err(other.into()),
    };
    stage.role.add(counter, 1);
    Ok(())
}
