//! Who plays where: the topics, the steady processes on them, and those that are killed.

use std::fmt;

use a0_std::Protocol;

use crate::options::Options;
use crate::orders::{Job, name};

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Actor {
    pub(crate) job: Job,
    /// A Python program built on AlephZero 0.3.
    pub(crate) foreign: bool,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.foreign { "0.3 " } else { "" }, name(self.job))
    }
}

const fn ours(job: Job) -> Actor {
    Actor { job, foreign: false }
}

const fn foreign(job: Job) -> Actor {
    Actor { job, foreign: true }
}

/// A topic, and who uses it.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) protocols: &'static [Protocol],
    /// Bytes of the topic.
    pub(crate) arena: u64,
    /// Largest payload.
    pub(crate) largest: u64,
    /// Longest pause of a steady writer, in microseconds.
    pub(crate) pause: u64,
    /// Whether its file is removed at times.
    pub(crate) removed: bool,
    /// There from the first message to the last, never killed.
    pub(crate) steady: Vec<Actor>,
    /// Of each crew, one at a time plays and is killed.
    pub(crate) crews: Vec<Vec<Actor>>,
}

/// The scene where writers halt at exact instructions.
pub(crate) const DUEL: &str = "duel";

/// Topics that are loaned one inside the other, in any order.
pub(crate) const NESTED: [&str; 3] = ["nested-1", "nested-2", "nested-3"];

/// The topic that is loaned around LMDB transactions, and the one that is published on inside them.
pub(crate) const LMDB_AROUND: &str = "lmdb-around";
pub(crate) const LMDB_INSIDE: &str = "lmdb-inside";

impl Scene {
    fn all(&self) -> impl Iterator<Item = &Actor> {
        self.steady.iter().chain(self.crews.iter().flatten())
    }

    /// Whether programs built on 0.3 write there: those may overwrite messages that they have not evicted.
    pub(crate) fn has_foreign_writers(&self) -> bool {
        self.all().any(|actor| actor.foreign && !actor.job.reads())
    }

    /// Whether servers built on 0.3 die there, which nobody notices.
    pub(crate) fn has_foreign_servers(&self) -> bool {
        self.all().any(|actor| actor.foreign && actor.job == Job::Serve)
    }

    /// Whether programs built on 0.3 use it: one of them may be a server that has a call, and nobody hears of its death.
    pub(crate) fn has_foreign_users(&self) -> bool {
        self.all().any(|actor| actor.foreign)
    }
}

/// The scenes that the options ask for.
pub(crate) fn scenes(options: &Options) -> Vec<Scene> {
    let mut scenes = all();
    for scene in &mut scenes {
        let plays = |actor: &Actor| options.python.is_some() || !actor.foreign;
        scene.steady.retain(plays);
        scene.crews.iter_mut().for_each(|crew| crew.retain(plays));
        scene.crews.retain(|crew| !crew.is_empty());
        if options.without.is_some() {
            scene.pause = 0;
        }
    }
    scenes.retain(|scene| match options.without {
        Some(_) => matches!(scene.name, "bare" | DUEL),
        None => !scene.crews.is_empty() || scene.name == DUEL,
    });
    scenes.retain(|scene| options.only.is_empty() || options.only.iter().any(|name| scene.name.starts_with(name)));
    scenes
}

fn all() -> Vec<Scene> {
    use Job::*;
    let pubsub = Scene {
        name: "",
        protocols: &[Protocol::PubSub],
        arena: 1 << 10,
        largest: 300,
        pause: 5_000,
        removed: false,
        steady: vec![],
        crews: vec![],
    };
    vec![
        Scene {
            name: "bare",
            arena: 8 << 10,
            largest: 2_000,
            steady: [Write, Poll, Block, ReadOnly, Locked].map(ours).to_vec(),
            crews: vec![vec![ours(Write)]],
            ..pubsub.clone()
        },
        Scene {
            name: "tiny",
            steady: [Write, Poll, Block, Sync].map(ours).to_vec(),
            crews: vec![
                vec![ours(Write), ours(Publish), foreign(Publish)],
                vec![ours(Block), ours(ZeroCopy), ours(Sync), ours(InPlace), foreign(Sync)],
            ],
            ..pubsub.clone()
        },
        Scene {
            name: "small",
            arena: 64 << 10,
            largest: 20_000,
            steady: [Publish, Sync, InPlace, Threaded, ZeroCopy, ReadOnly]
                .map(ours)
                .into_iter()
                .chain([foreign(Sync)])
                .collect(),
            crews: vec![
                vec![ours(Publish), ours(Write)],
                vec![ours(Sync), ours(Threaded), ours(Locked), foreign(Sync)],
            ],
            ..pubsub.clone()
        },
        Scene {
            name: "medium",
            arena: 1 << 20,
            largest: 300_000,
            steady: vec![ours(Publish), ours(SyncZeroCopy), ours(Block), ours(Threaded), foreign(Publish)],
            crews: vec![
                vec![ours(Publish), ours(Write), foreign(Publish)],
                vec![ours(SyncZeroCopy), ours(ZeroCopy), ours(Threaded), foreign(Sync)],
            ],
            ..pubsub.clone()
        },
        Scene {
            name: "large",
            arena: 16 << 20,
            largest: 1_500_000,
            steady: vec![ours(Publish), ours(Sync), ours(Locked)],
            crews: vec![vec![ours(Publish), ours(Write), ours(ZeroCopy), foreign(Publish)]],
            ..pubsub.clone()
        },
        Scene {
            name: "calls",
            protocols: &[Protocol::Rpc, Protocol::Prpc],
            arena: 1 << 20,
            largest: 20_000,
            steady: vec![ours(Call), ours(Call), ours(Neighbour)],
            crews: vec![vec![ours(Serve)], vec![ours(Call), foreign(Call)]],
            ..pubsub.clone()
        },
        // So small that requests and replies are overwritten before anybody has read them.
        Scene {
            name: "crowded-calls",
            protocols: &[Protocol::Rpc, Protocol::Prpc],
            arena: 16 << 10,
            largest: 3_000,
            steady: vec![ours(Call), ours(Call)],
            crews: vec![vec![ours(Serve)], vec![ours(Call)]],
            ..pubsub.clone()
        },
        Scene {
            name: "foreign-calls",
            protocols: &[Protocol::Rpc, Protocol::Prpc],
            arena: 1 << 20,
            largest: 20_000,
            steady: vec![ours(Call), foreign(Call)],
            crews: vec![vec![foreign(Serve)]],
            ..pubsub.clone()
        },
        Scene {
            name: "configuration",
            protocols: &[Protocol::Cfg],
            arena: 16 << 10,
            steady: vec![ours(Patch), ours(Patch)],
            crews: vec![vec![ours(Patch)], vec![ours(Patch), foreign(Patch)]],
            ..pubsub.clone()
        },
        // Who loans several topics comes last: they must be there.
        Scene {
            name: NESTED[0],
            arena: 64 << 10,
            largest: 3_000,
            steady: vec![ours(Sync), ours(Neighbour)],
            crews: vec![vec![ours(Neighbour), ours(Publish)]],
            ..pubsub.clone()
        },
        Scene {
            name: NESTED[1],
            arena: 4 << 10,
            largest: 500,
            steady: vec![ours(Publish), ours(Block)],
            crews: vec![vec![ours(Nest), ours(Block)]],
            ..pubsub.clone()
        },
        Scene {
            name: NESTED[2],
            arena: 64 << 10,
            largest: 3_000,
            steady: vec![ours(Nest), ours(Threaded), ours(InPlace)],
            crews: vec![vec![ours(Nest), ours(SyncZeroCopy)]],
            ..pubsub.clone()
        },
        Scene {
            name: LMDB_INSIDE,
            arena: 64 << 10,
            largest: 3_000,
            steady: vec![ours(Publish), ours(Sync)],
            crews: vec![vec![ours(Lmdb), ours(Publish)]],
            ..pubsub.clone()
        },
        Scene {
            name: LMDB_AROUND,
            arena: 64 << 10,
            largest: 3_000,
            steady: vec![ours(Lmdb), ours(Block)],
            crews: vec![vec![ours(Lmdb), ours(Neighbour)]],
            ..pubsub.clone()
        },
        Scene {
            name: "removed",
            arena: 64 << 10,
            largest: 3_000,
            removed: true,
            steady: [Publish, Publish, Sync, InPlace, Threaded, SyncZeroCopy, Neighbour].map(ours).to_vec(),
            crews: vec![vec![ours(Publish)], vec![ours(Sync), ours(Threaded), ours(Neighbour)]],
            ..pubsub.clone()
        },
        Scene {
            name: DUEL,
            arena: 64 << 10,
            largest: 2_000,
            steady: vec![ours(Prompted), ours(Block), ours(Sync), ours(Threaded), ours(SyncZeroCopy), foreign(Sync)],
            crews: vec![],
            ..pubsub
        },
    ]
}
