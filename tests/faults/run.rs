//! Runs scenarios and their cases, and judges them.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, stream};
use harness::{ControlPlane, operator::tail};
use rand::{
    SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    Arguments,
    case::{self, Case},
    ground::Ground,
    kind::Kind,
    oracle,
    scenario::{End, Scenario, Step, actions},
    scenarios, snapshot,
    table::{Table, Verdict},
    walk,
    wire::{Met, Seen},
    world::World,
};

/// What a run without faults came to.
struct Clean {
    seen: Seen,
    end: Value,
}

/// A scenario, its points, and where it ends without faults.
struct Known {
    scenario: &'static Scenario,
    clean: Clean,
    trace: Vec<Met>,
    /// The ends of the scenario with an intrusion done after it.
    after: HashMap<&'static str, OnceCell<Clean>>,
}

/// How many cases have failed.
pub async fn run(arguments: &Arguments) -> anyhow::Result<usize> {
    let begun = Instant::now();
    let ground = Ground::start(ControlPlane::shared().await?).await?;
    if let Some(walks) = arguments.walks {
        return walked(&ground, walks, arguments.seed).await;
    }
    let wanted = |scenario: &&Scenario| {
        let named = |part: &String| scenario.name.contains(part.as_str());
        let lines = || arguments.cases.iter().any(|line| line.starts_with(&format!("{}:", scenario.name)));
        if arguments.cases.is_empty() {
            arguments.scenarios.is_empty() || arguments.scenarios.iter().any(named)
        } else {
            lines()
        }
    };
    let chosen: Vec<_> = scenarios::ALL.iter().filter(wanted).collect();
    let grounds = Grounds::start(ground, &chosen).await?;
    let of = |scenario: &Scenario| grounds.of(scenario);
    let mut broken = 0;
    let mut known = Vec::new();
    let mut runs = stream::iter(chosen)
        .map(|scenario| {
            let ground = of(scenario);
            async move { self::known(&ground, scenario).await }
        })
        .buffered(arguments.at_once);
    while let Some(run) = runs.next().await {
        match run {
            Ok(scenario) => known.push(scenario),
            Err(error) => {
                broken += 1;
                println!("FAILED {}", indented(&format!("{error:#}")));
            }
        }
    }
    drop(runs);
    let all: Vec<(usize, Case)> = known
        .iter()
        .enumerate()
        .flat_map(|(n, known)| case::derive(known.scenario, &known.trace).into_iter().map(move |case| (n, case)))
        .collect();
    let known_cases = all.len();
    eprintln!("{} scenarios, {} cases ({:.0?})", known.len(), all.len(), begun.elapsed());
    if arguments.list {
        for (_, case) in &all {
            println!("{case}");
        }
        return Ok(broken);
    }
    let gone = |line: &&&str| {
        let scenario = line.split(':').next().unwrap_or_default();
        known.iter().any(|known| known.scenario.name == scenario)
            && !all.iter().any(|(_, case)| case.to_string() == **line)
    };
    if let Some(line) = scenarios::REGRESSIONS.iter().find(gone) {
        anyhow::bail!("a case that has found a bug is not among the cases any more: {line}");
    }
    let mut cases = select(arguments, all)?;
    cases = (0..arguments.times).flat_map(|_| cases.iter().cloned()).collect();
    let begun = Instant::now();
    let mut table = Table::default();
    let deadline = arguments.minutes.map(|minutes| begun + Duration::from_mins(minutes));
    let (drawn, in_time) =
        (cases.len(), move |_: &(usize, Case)| deadline.is_none_or(|deadline| Instant::now() < deadline));
    let run = |(n, case): (usize, Case)| {
        let (ground, known) = (of(known[n].scenario), &known[n]);
        async move {
            let begun = Instant::now();
            let result = judged(&ground, known, &case).await;
            (case, result, begun.elapsed())
        }
    };
    let (one_by_one, together): (Vec<_>, Vec<_>) = cases.into_iter().partition(|(_, case)| case.scenario.alone);
    let mut done = stream::select(
        stream::iter(together.into_iter().take_while(in_time)).map(run).buffer_unordered(arguments.at_once),
        stream::iter(one_by_one.into_iter().take_while(in_time)).map(run).buffer_unordered(1),
    );
    while let Some((case, result, took)) = done.next().await {
        match &result {
            Verdict::Passed => {}
            Verdict::NeverMet => println!("NEVER MET {case}"),
            Verdict::Failed(why) => println!("FAILED {case}\n{}", indented(why)),
        }
        if arguments.verbose {
            println!("{:.1} s {case}", took.as_secs_f64());
        }
        table.add(&case, &result, took);
        if table.cases() % 100 == 0 {
            eprintln!("{} cases, {} failed ({:.0?})", table.cases(), table.failed(), begun.elapsed());
        }
    }
    drop(done);
    println!("{}", table.render());
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let all =
        arguments.cases.is_empty() && arguments.scenarios.is_empty() && arguments.sample.or(arguments.pairs).is_none();
    if arguments.write || (all && arguments.minutes.is_none()) {
        let said = format!(
            "`cargo faults {}`: {} cases of {known_cases}, {} failed, {} never met; {minutes:.0} minutes, {} at a time.",
            std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            table.cases(),
            table.failed(),
            table.never_met(),
            arguments.at_once
        );
        table.write(&said)?;
    }
    if table.cases() < drawn {
        println!("{} cases were left when the time was over", drawn - table.cases());
    }
    let each = f64::from(u32::try_from(table.cases()).unwrap_or(u32::MAX)) / minutes;
    println!("{each:.0} cases a minute");
    let failed = table.failed() + broken;
    if table.never_met() > 0 {
        println!("{} never met in three tries: they count as missing, not as passed", table.never_met());
    }
    println!("{} passed, {failed} failed", table.cases() - table.failed() - table.never_met());
    Ok(failed)
}

/// Where scenarios happen: most of them in one place.
struct Grounds {
    common: Arc<Ground>,
    /// Those that change what all share have a control plane of their own.
    apart: Option<Arc<Ground>>,
    foreign: HashMap<&'static str, Arc<Ground>>,
}

impl Grounds {
    async fn start(common: Arc<Ground>, scenarios: &[&'static Scenario]) -> anyhow::Result<Self> {
        let mut grounds = Self { common, apart: None, foreign: HashMap::new() };
        if scenarios.iter().any(|scenario| scenario.alone) {
            let control_plane = ControlPlane::own().await?;
            harness::crds::install(&control_plane.client().await?).await?;
            grounds.apart = Some(Ground::start(control_plane).await?);
        }
        for emulator in scenarios.iter().filter_map(|scenario| scenario.before) {
            if !grounds.foreign.contains_key(emulator.name()) {
                let ground = Ground::before(ControlPlane::shared().await?, emulator).await?;
                grounds.foreign.insert(emulator.name(), ground);
            }
        }
        Ok(grounds)
    }

    fn of(&self, scenario: &Scenario) -> Arc<Ground> {
        let apart = self.apart.as_ref().filter(|_| scenario.alone);
        let foreign = scenario.before.and_then(|emulator| self.foreign.get(emulator.name()));
        apart.or(foreign).unwrap_or(&self.common).clone()
    }
}

/// How many walks have failed.
async fn walked(ground: &Arc<Ground>, walks: u32, seed: u64) -> anyhow::Result<usize> {
    let (mut passed, mut failed) = (0, 0);
    for (kind, walks, result) in walk::run(ground, walks, seed).await? {
        match result {
            Ok(()) => passed += walks as usize,
            Err(why) => {
                failed += 1;
                println!("FAILED a walk of {kind}\n{}", indented(&why));
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| ["    ", line, "\n"].concat()).collect()
}

fn select(arguments: &Arguments, mut all: Vec<(usize, Case)>) -> anyhow::Result<Vec<(usize, Case)>> {
    if !arguments.cases.is_empty() {
        all.retain(|(_, case)| arguments.cases.contains(&case.to_string()));
        anyhow::ensure!(!all.is_empty(), "there is no such case: --list prints all of them");
        return Ok(all);
    }
    let mut random = StdRng::seed_from_u64(arguments.seed);
    if let Some(number) = arguments.pairs {
        let single = |case: &Case| case.faults.iter().all(|fault| !fault.kind.needs_process());
        all.retain(|(_, case)| single(case) && !case.scenario.alone && case.scenario.before.is_none());
        let plain: Vec<_> = all.iter().filter(|(_, case)| !leads_elsewhere(case)).cloned().collect();
        let pair = |_| {
            let (n, mut first) = all.choose(&mut random)?.clone();
            let others: Vec<_> = plain.iter().filter(|(other, _)| *other == n).collect();
            first.faults.extend(others.choose(&mut random)?.1.faults.iter().cloned());
            Some((n, first))
        };
        return Ok((0..number).filter_map(pair).collect());
    }
    if let Some(number) = arguments.sample {
        all.shuffle(&mut random);
        // What has found bugs, and one of each scenario and kind, first.
        let mut first = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut rest = Vec::new();
        for (n, case) in all {
            let kind = case.faults.first().map(|fault| fault.kind.to_string());
            let regression = scenarios::REGRESSIONS.contains(&case.to_string().as_str());
            let new = seen.insert(format!("{n}")) | kind.is_some_and(|kind| seen.insert(kind));
            if regression || new { first.push((n, case)) } else { rest.push((n, case)) }
        }
        first.extend(rest);
        first.truncate(number);
        return Ok(first);
    }
    Ok(all)
}

/// Whether somebody does something that changes where it ends: at most one of a pair may.
fn leads_elsewhere(case: &Case) -> bool {
    case.faults.iter().any(|fault| matches!(fault.kind, Kind::Meanwhile(_)))
}

/// Runs a scenario twice without faults: what differs between the two is no property of the scenario.
async fn known(ground: &Arc<Ground>, scenario: &'static Scenario) -> anyhow::Result<Known> {
    let first = clean(ground, scenario, &[]).await?;
    let second = clean(ground, scenario, &[]).await?;
    let differences = snapshot::differences(&first.end, &second.end);
    anyhow::ensure!(
        differences.is_empty(),
        "{}: two runs without faults end differently:\n{}",
        scenario.name,
        differences.join("\n")
    );
    let made = first.seen.changes().max(second.seen.changes());
    anyhow::ensure!(
        made <= scenario.mutations,
        "{}: without a fault {made} calls change something, and {} are enough:\n{:?}",
        scenario.name,
        scenario.mutations,
        first.seen.mutations
    );
    // What is met before the first step is done belongs to a quiet look: whether there is one then is chance.
    let begun = |met: &Met| met.mutating || met.phase > 0 || scenario.prepared.is_empty();
    let both =
        |met: &&Met| begun(met) && second.seen.trace.iter().any(|other| other.point == met.point && begun(other));
    let trace = first.seen.trace.iter().filter(both).cloned().collect();
    let after = scenario
        .intrusions
        .iter()
        .filter(|intrusion| matches!(intrusion.ends, End::AsAfter(_)))
        .map(|intrusion| (intrusion.name, OnceCell::new()))
        .collect();
    Ok(Known { scenario, clean: first, trace, after })
}

/// One run without faults, with these steps after the scenario's own.
async fn clean(ground: &Arc<Ground>, scenario: &'static Scenario, more: &[&'static Step]) -> anyhow::Result<Clean> {
    let world = World::start(ground, scenario, &[]).await?;
    let run = async {
        let steps: Vec<_> = scenario.steps.iter().chain(more.iter().copied()).collect();
        story(&world, &[], &steps).await?;
        let end = snapshot::take(&world).await?;
        let seen = world.wire.seen();
        let mut wrong = oracle::orphans(&world).await;
        wrong.extend(oracle::secrets(&seen, &world.logged()));
        wrong.extend(world.written_elsewhere());
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join(", "));
        anyhow::Ok(Clean { seen, end })
    };
    let result = run.await;
    world.end().await;
    let clean =
        result.map_err(|error| anyhow::anyhow!("{} without a fault: {error:#}\n{}", scenario.name, told(&world)))?;
    let broken = &clean.seen.broken;
    anyhow::ensure!(broken.is_empty(), "{} without a fault: {broken:?}\n{}", scenario.name, told(&world));
    Ok(clean)
}

/// The scenario from its beginning to its rest.
async fn story(world: &Arc<World>, faults: &[case::Fault], steps: &[&'static Step]) -> anyhow::Result<()> {
    for step in world.scenario().prepared {
        world.perform(step).await?;
    }
    if !world.scenario().prepared.is_empty() {
        world.rest(&[]).await?;
    }
    world.arm(faults).await?;
    let goals = actions(steps);
    for (n, step) in steps.iter().enumerate() {
        if n == goals && !world.met(PATIENCE).await? {
            return Err(NeverMet.into());
        }
        world.perform(step).await?;
        world.wire.next_phase();
    }
    world.rest(&steps[goals..]).await
}

/// A case whose fault has not happened proves nothing.
#[derive(Debug, thiserror::Error)]
#[error("the point was never met")]
struct NeverMet;

/// How long a point is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

fn told(world: &World) -> String {
    format!(
        "--- the last requests\n{}\n--- the end of the operator's log\n{}",
        world.wire.recent(),
        tail(&world.logged(), 40)
    )
}

/// Runs a case.
async fn judged(ground: &Arc<Ground>, known: &Known, case: &Case) -> Verdict {
    let mut tries = 0;
    loop {
        tries += 1;
        match AssertUnwindSafe(tried(ground, known, case)).catch_unwind().await {
            Ok(Ok(())) => return Verdict::Passed,
            // How often something is asked depends on how fast the machine is.
            Ok(Err(error)) if error.is::<NeverMet>() && tries < 3 => {}
            Ok(Err(error))
                if error.is::<NeverMet>() && !scenarios::REGRESSIONS.contains(&case.to_string().as_str()) =>
            {
                return Verdict::NeverMet;
            }
            Ok(Err(error)) => return Verdict::Failed(format!("{error:#}")),
            Err(_) => return Verdict::Failed("the harness itself panicked".to_owned()),
        }
    }
}

async fn tried(ground: &Arc<Ground>, known: &Known, case: &Case) -> anyhow::Result<()> {
    let intrusion = case.faults.iter().find_map(|fault| match &fault.kind {
        Kind::Meanwhile(intrusion) => Some(*intrusion),
        _ => None,
    });
    let mut expected = &known.clean;
    let mut steps: Vec<_> = known.scenario.steps.iter().collect();
    if let Some(intrusion) = intrusion
        && let End::AsAfter(goals) = intrusion.ends
    {
        let after: Vec<_> = intrusion.steps.iter().chain(goals).collect();
        let cell = &known.after[intrusion.name];
        expected = cell.get_or_try_init(|| clean(ground, known.scenario, &after)).await?;
        steps.truncate(known.scenario.actions());
        steps.extend(goals);
    }
    let world = World::start(ground, known.scenario, &case.faults).await?;
    let result = async {
        story(&world, &case.faults, &steps).await?;
        let end = snapshot::take(&world).await?;
        let mut wrong = snapshot::differences(&expected.end, &end);
        let seen = world.wire.seen();
        wrong.extend(seen.broken.iter().cloned());
        wrong.extend(oracle::secrets(&seen, &world.logged()));
        wrong.extend(oracle::budget(&seen, &expected.seen, &case.faults));
        wrong.extend(oracle::rate(&world, &seen, &case.faults));
        wrong.extend(oracle::orphans(&world).await);
        wrong.extend(world.written_elsewhere().iter().map(|call| format!("{call} in another account")));
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        anyhow::Ok(())
    };
    let result = tokio::time::timeout(Duration::from_mins(5), result).await;
    world.end().await;
    let result = result.unwrap_or_else(|_| Err(anyhow::anyhow!("it did not end within five minutes")));
    result.map_err(|error| if error.is::<NeverMet>() { error } else { anyhow::anyhow!("{error:#}\n{}", told(&world)) })
}
