//! One start after the other, as samples in and a word for each answer out.

mod broken;
mod ended;
mod settled;

use super::followed::REASON_PATIENCE;
use super::*;

const RULES: SettleRules = SettleRules {
    settle_time: Duration::from_secs(60),
    limit: Duration::from_secs(600),
};

fn run(letter: char) -> InvocationId {
    letter.to_string().repeat(32).parse().unwrap()
}

fn sample(at: u64, active: ActiveState) -> Sample {
    Sample {
        at: Duration::from_secs(at),
        active,
        auto_restart: false,
        result_failed: false,
        main_pid: Some(100),
        restarts: 0,
        invocation: Some(run('b')),
        marker: MarkerSeen::NotYet,
        ended: None,
    }
}

fn active(at: u64, marker: MarkerSeen) -> Sample {
    Sample {
        marker,
        ..sample(at, ActiveState::Active)
    }
}

fn activating(at: u64) -> Sample {
    sample(at, ActiveState::Activating)
}

/// The word for each answer.
fn course(mut settle: Settle, samples: &[Sample]) -> Vec<String> {
    let word = |answer| match answer {
        Settling::Waiting { .. } => "waiting".to_owned(),
        Settling::Settled {
            at_limit: true,
            ready: true,
        } => "settled at the limit".to_owned(),
        Settling::Settled {
            at_limit: true,
            ready: false,
        } => "settled at the limit, never ready".to_owned(),
        Settling::Settled { .. } => "settled".to_owned(),
        Settling::Failed { reason } => format!("failed: {reason}"),
        Settling::Broken { reason } => format!("broken: {reason}"),
    };
    samples
        .iter()
        .map(|sample| word(settle.take(sample)))
        .collect()
}

fn last(samples: &[Sample]) -> String {
    course(Settle::of_run(run('b'), RULES), samples)
        .pop()
        .unwrap()
}

/// The same, once the journal has had its time to say why.
fn last_in_the_end(samples: &[Sample]) -> String {
    let mut samples = samples.to_vec();
    let end = samples.last().unwrap();
    samples.push(Sample {
        at: end.at + REASON_PATIENCE,
        ..end.clone()
    });
    last(&samples)
}

fn with(mut sample: Sample, marker: MarkerSeen) -> Sample {
    sample.marker = marker;
    sample
}
