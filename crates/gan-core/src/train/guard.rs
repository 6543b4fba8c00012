//! Watches the numbers of a run.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use crate::game::Clock;
use crate::words::count;

/// Looks in a row that must find the critic unbeatable, and the pictures that it must have been for.
/// Many good runs begin with such a critic: those of the preset `default` on MNIST with one for up to
/// 12,000 pictures.
const CRITIC_WON_LOOKS: u32 = 20;
const CRITIC_WON_IMAGES: u64 = 30_000;
/// Looks at the end of a run that must not all be bad.
const LAST_LOOKS: usize = 3;
/// Looks at the samples in a row that must find them alike.
const COLLAPSE_CHECKS: u32 = 3;
/// Distance between samples, as a part of the largest there was, below which they are alike.
const COLLAPSE_PART: f64 = 0.1;

/// When to give up on a course, and how often.
///
/// A round whose gradient is not finite moves nobody, so single ones do no harm. When too many of
/// the last rounds looked at were like that, or all of the last three at the end, the run goes back to the
/// last good checkpoint with a lower learning rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// Looks at every so many rounds, and at those that are logged; looking waits for the device.
    /// 0 for only those that are logged. Default: 16
    pub every_rounds: u64,
    /// Looks that are remembered, 1 or more. Default: 20
    pub window: usize,
    /// So many of them with a number that is not finite are too many, 1 to `window`. Default: 10
    pub limit: usize,
    /// What the learning rates are multiplied with when the run goes back, in `(0, 1]`.
    /// Default: 0.5
    pub lr_factor: f64,
    /// How often the run may go back. Default: 3
    pub max_roll_backs: u32,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            every_rounds: 16,
            window: 20,
            limit: 10,
            lr_factor: 0.5,
            max_roll_backs: 3,
        }
    }
}

impl GuardConfig {
    /// Says what is wrong.
    ///
    /// # Errors
    ///
    /// If a number is outside its range.
    pub fn validate(&self) -> Result<(), TrainError> {
        let wrong = |field, value: String, allowed| TrainError::Config {
            field,
            value,
            allowed,
        };
        if self.window == 0 {
            return Err(wrong("guard.window", "0".into(), "1 or more"));
        }
        if self.limit == 0 || self.limit > self.window {
            let allowed = "1 to guard.window";
            return Err(wrong("guard.limit", self.limit.to_string(), allowed));
        }
        if !(self.lr_factor > 0.0 && self.lr_factor <= 1.0) {
            let allowed = "a number above 0, up to 1";
            return Err(wrong(
                "guard.lr_factor",
                self.lr_factor.to_string(),
                allowed,
            ));
        }
        Ok(())
    }
}

/// What a look at a round led to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Fine,
    /// This was one too many.
    GoBack,
    /// The critic has been unbeatable for long; said once.
    CriticWon,
}

/// A round that was looked at.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    round: u64,
    values: BTreeMap<String, f64>,
}

impl Look {
    fn is_bad(&self) -> bool {
        self.values.values().any(|value| !value.is_finite())
    }
}

/// Remembers the last rounds looked at. All of it is in the checkpoints, so that a resumed run
/// decides as the uninterrupted one.
#[derive(Debug)]
pub(crate) struct Guard {
    config: GuardConfig,
    looks: VecDeque<Look>,
    /// Last looks in a row that found the critic unbeatable, up to [`CRITIC_WON_LOOKS`]; one more once
    /// that was said.
    won: u32,
    /// Pictures shown at the first of them.
    won_since: u64,
    pub roll_backs: u32,
}

impl Guard {
    pub fn new(config: GuardConfig) -> Self {
        Self {
            config,
            looks: VecDeque::new(),
            won: 0,
            won_since: 0,
            roll_backs: 0,
        }
    }

    pub fn look(&mut self, clock: &Clock, values: &[(&'static str, f32)]) -> Verdict {
        let look = Look {
            round: clock.round,
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), f64::from(*value)))
                .collect(),
        };
        let bad = look.is_bad();
        self.looks.push_back(look);
        while self.looks.len() > self.config.window {
            self.looks.pop_front();
        }
        if bad && self.bad_looks() >= self.config.limit {
            return Verdict::GoBack;
        }
        if self.critic_has_won(clock, values) {
            return Verdict::CriticWon;
        }
        Verdict::Fine
    }

    /// Whether the last looks were all fine.
    pub fn is_healthy(&self) -> bool {
        self.bad_looks() == 0
    }

    /// Whether the last looks, up to three, were all bad: such a course must not be taken for a finished
    /// one, even if it was too short for the limit.
    pub fn ends_badly(&self) -> bool {
        let mut last = self.looks.iter().rev().take(LAST_LOOKS).peekable();
        last.peek().is_some() && last.all(Look::is_bad)
    }

    fn bad_looks(&self) -> usize {
        self.looks.iter().filter(|look| look.is_bad()).count()
    }

    fn critic_has_won(&mut self, clock: &Clock, values: &[(&'static str, f32)]) -> bool {
        let find = |name| values.iter().find(|(key, _)| *key == name).map(|(_, v)| *v);
        let (Some(real), Some(fake)) = (find("d_real"), find("d_fake")) else {
            return false;
        };
        if self.won > CRITIC_WON_LOOKS {
            return false; // said already
        }
        // Both bounds: scores of a Wasserstein critic are not beliefs and leave [0, 1].
        let sure = (0.99..=1.0).contains(&real) && (0.0..=0.01).contains(&fake);
        if !sure {
            self.won = 0;
            return false;
        }
        if self.won == 0 {
            self.won_since = clock.images;
        }
        self.won = (self.won + 1).min(CRITIC_WON_LOOKS);
        let images = clock.images.saturating_sub(self.won_since);
        let has_won = self.won == CRITIC_WON_LOOKS && images >= CRITIC_WON_IMAGES;
        self.won += u32::from(has_won);
        has_won
    }

    /// Why the run cannot go on. `players` are the names of the game's players.
    pub fn diagnose(&self, clock: &Clock, players: &[&'static str]) -> Diagnosis {
        let first = self.looks.iter().find(|look| look.is_bad());
        let is_bad = |name: &&str| {
            first.is_some_and(|look| look.values.get(*name).is_some_and(|v| !v.is_finite()))
        };
        // What fails first drags everything after it along, so causes come before effects.
        let order = ["penalty", "d_real", "d_fake", "critic", "critic_gradient"];
        let names = first.into_iter().flat_map(|look| look.values.keys());
        let name = order
            .into_iter()
            .chain(names.map(String::as_str))
            .find(is_bad)
            .unwrap_or("nothing");
        let (player, term) = player_and_term(name, players);
        Diagnosis {
            clock: *clock,
            player,
            term,
            name: name.to_owned(),
            values: self
                .looks
                .iter()
                .filter_map(|look| Some((look.round, *look.values.get(name)?)))
                .collect(),
            roll_backs: self.roll_backs,
        }
    }

    pub fn save(&self, numbers: &mut BTreeMap<String, f64>) {
        numbers.insert("guard.roll_backs".into(), f64::from(self.roll_backs));
        numbers.insert("guard.won".into(), f64::from(self.won));
        numbers.insert("guard.won_since".into(), self.won_since as f64);
        for (index, look) in self.looks.iter().enumerate() {
            let key = format!("guard.look.{index:04}");
            numbers.insert(format!("{key}#round"), look.round as f64);
            for (name, value) in &look.values {
                numbers.insert(format!("{key}.{name}"), *value);
            }
        }
    }

    pub fn restore(&mut self, numbers: &BTreeMap<String, f64>) {
        let count = |key: &str| numbers.get(key).copied().unwrap_or(0.0) as u64;
        self.roll_backs = count("guard.roll_backs") as u32;
        self.won = count("guard.won") as u32;
        self.won_since = count("guard.won_since");
        self.looks.clear();
        for index in 0.. {
            let key = format!("guard.look.{index:04}");
            let Some(round) = numbers.get(&format!("{key}#round")) else {
                break;
            };
            let prefix = format!("{key}.");
            let values = numbers
                .range(prefix.clone()..)
                .map_while(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), *value)))
                .collect();
            self.looks.push_back(Look {
                round: *round as u64,
                values,
            });
        }
    }
}

/// Whose number it is, and which: `critic_gradient` is the gradient of the critic.
fn player_and_term(name: &str, players: &[&'static str]) -> (String, String) {
    let of_critic = |term: &str| ("critic".to_owned(), term.to_owned());
    match name {
        "d_real" => return of_critic("score of real pictures"),
        "d_fake" => return of_critic("score of generated pictures"),
        "penalty" => return of_critic("gradient penalty"),
        _ => {}
    }
    for player in players {
        match name.strip_prefix(player) {
            Some("") => return ((*player).to_owned(), "loss".into()),
            Some(term) if term.starts_with('_') => {
                return ((*player).to_owned(), term[1..].replace('_', " "));
            }
            _ => {}
        }
    }
    ("game".into(), name.into())
}

/// Why a run diverged.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosis {
    /// Where.
    pub clock: Clock,
    /// Whose number was not finite first.
    pub player: String,
    /// Which: `loss`, `gradient`, `gradient penalty`, …
    pub term: String,
    /// Its name in the log.
    pub name: String,
    /// Rounds and values in the last looks, oldest first.
    pub values: Vec<(u64, f64)>,
    /// How often the run had gone back before.
    pub roll_backs: u32,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the run diverged at {:.1} kimg (round {}): the {} of the {} (`{}` in the log) is not \
             finite, and going back {} with a lower learning rate did not help. Last values:",
            self.clock.kimg(),
            self.clock.round,
            self.term,
            self.player,
            self.name,
            count(self.roll_backs as usize, "time"),
        )?;
        for (round, value) in &self.values {
            write!(f, " {value} (round {round}),")?;
        }
        write!(
            f,
            " and then it stopped. Try a lower learning rate of the {}, gradient clipping, or a \
             stronger gradient penalty; the last good checkpoint is still there",
            self.player
        )
    }
}

/// Watches the distance between samples drawn from one fixed set of latents.
#[derive(Debug, Default)]
pub(crate) struct Variety {
    largest: f64,
    below: u32,
}

impl Variety {
    /// Takes the root mean square distance between samples in; returns it as a part of the largest
    /// there was when the samples have become alike, once.
    pub fn look(&mut self, distance: f64) -> Option<f64> {
        if self.below > COLLAPSE_CHECKS || !distance.is_finite() {
            return None;
        }
        self.largest = self.largest.max(distance);
        let is_below = distance < COLLAPSE_PART * self.largest;
        self.below = if is_below { self.below + 1 } else { 0 };
        if self.below == COLLAPSE_CHECKS {
            self.below += 1;
            return Some(distance / self.largest);
        }
        None
    }

    pub fn save(&self, numbers: &mut BTreeMap<String, f64>) {
        numbers.insert("variety.largest".into(), self.largest);
        numbers.insert("variety.below".into(), f64::from(self.below));
    }

    pub fn restore(&mut self, numbers: &BTreeMap<String, f64>) {
        let get = |key: &str| numbers.get(key).copied().unwrap_or(0.0);
        self.largest = get("variety.largest");
        self.below = get("variety.below") as u32;
    }
}

/// Root mean square distance between two of `count` samples, given one after the other.
///
/// `Σ_{i≠j} ‖x_i − x_j‖² / (n (n − 1)) = 2 / (n − 1) · Σ_i ‖x_i − x̄‖²`: no pairs needed.
pub(crate) fn rms_distance(samples: &[f32], count: usize) -> f64 {
    if count < 2 {
        return 0.0;
    }
    let size = samples.len() / count;
    let mut total = 0.0;
    for position in 0..size {
        let values = || {
            samples[position..]
                .iter()
                .step_by(size)
                .map(|v| f64::from(*v))
        };
        let mean = values().sum::<f64>() / count as f64;
        total += values().map(|value| (value - mean).powi(2)).sum::<f64>();
    }
    (2.0 * total / (count - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(round: u64) -> Clock {
        Clock {
            seed: 0,
            round,
            images: round * 10,
        }
    }

    #[test]
    fn single_bad_rounds_do_no_harm_and_too_many_do() {
        let mut guard = Guard::new(GuardConfig::default());
        for round in 0..100 {
            // 9 bad looks in any 20
            let value = if round % 20 < 9 { f32::NAN } else { 1.0 };
            assert_eq!(
                guard.look(&clock(round), &[("critic", value)]),
                Verdict::Fine
            );
        }
        let mut guard = Guard::new(GuardConfig::default());
        let verdicts: Vec<_> = (0..10)
            .map(|round| guard.look(&clock(round), &[("critic", f32::INFINITY)]))
            .collect();
        assert_eq!(verdicts[8], Verdict::Fine);
        assert_eq!(verdicts[9], Verdict::GoBack);
        assert!(!guard.is_healthy());
    }

    #[test]
    fn a_restored_guard_decides_as_the_old_one() {
        let config = GuardConfig {
            window: 5,
            limit: 3,
            ..GuardConfig::default()
        };
        let mut guard = Guard::new(config);
        for round in 0..9 {
            let value = if round % 3 == 0 { f32::NAN } else { 0.5 };
            guard.look(
                &clock(round),
                &[("critic", value), ("critic_gradient", 1.0)],
            );
        }
        let mut numbers = BTreeMap::new();
        guard.save(&mut numbers);
        let mut restored = Guard::new(config);
        restored.restore(&numbers);
        let mut again = BTreeMap::new();
        restored.save(&mut again);
        assert_eq!(format!("{numbers:?}"), format!("{again:?}"));
        for round in 9..12 {
            let values = [("critic", f32::NAN)];
            assert_eq!(
                guard.look(&clock(round), &values),
                restored.look(&clock(round), &values)
            );
        }
    }

    #[test]
    fn the_diagnosis_names_player_term_and_values() {
        let mut guard = Guard::new(GuardConfig::default());
        guard.look(
            &clock(1),
            &[
                ("critic", 1.0),
                ("generator", 2.0),
                ("generator_gradient", 3.0),
            ],
        );
        let bad = [
            ("critic", 1.5),
            ("generator", 2.5),
            ("generator_gradient", f32::NAN),
        ];
        guard.look(&clock(2), &bad);
        let diagnosis = guard.diagnose(&clock(2), &["generator", "critic"]);
        assert_eq!(
            (diagnosis.player.as_str(), diagnosis.term.as_str()),
            ("generator", "gradient")
        );
        assert_eq!(diagnosis.values[0], (1, 3.0));
        assert!(diagnosis.values[1].1.is_nan());
        let message = diagnosis.to_string();
        assert!(message.contains("gradient of the generator"), "{message}");
        assert!(message.contains("3 (round 1), NaN (round 2)"), "{message}");

        // The penalty broke the critic, which broke the generator.
        let mut guard = Guard::new(GuardConfig::default());
        let nan = f32::NAN;
        guard.look(
            &clock(1),
            &[("critic", 1.0), ("penalty", nan), ("critic_gradient", nan)],
        );
        assert_eq!(
            guard.diagnose(&clock(1), &["critic"]).term,
            "gradient penalty"
        );
    }

    /// Looks at a round every `images` pictures and returns how many were shown when it is said that the
    /// critic has won; it is sure of everything in the rounds that `is_sure` names.
    fn told(images: u64, values: [f32; 2], is_sure: fn(u64) -> bool) -> Vec<u64> {
        let mut guard = Guard::new(GuardConfig::default());
        let mut told = Vec::new();
        for round in 1..=100 {
            let clock = Clock {
                seed: 0,
                round,
                images: round * images,
            };
            let [real, fake] = if is_sure(round) { values } else { [0.7, 0.3] };
            if guard.look(&clock, &[("d_real", real), ("d_fake", fake)]) == Verdict::CriticWon {
                told.push(clock.images);
            }
            let mut numbers = BTreeMap::new();
            guard.save(&mut numbers);
            guard = Guard::new(GuardConfig::default());
            guard.restore(&numbers);
        }
        told
    }

    #[test]
    fn a_critic_that_has_won_is_told_once_and_scores_are_no_beliefs() {
        let always = |_| true;
        assert_eq!(told(10_000, [0.999, 0.001], always), [200_000]);
        assert!(told(10_000, [0.98, 0.001], always).is_empty());
        assert!(told(10_000, [0.999, 0.02], always).is_empty());
        assert!(told(10_000, [12.0, -12.0], always).is_empty());
    }

    #[test]
    fn a_critic_has_won_if_it_lasts_in_looks_and_in_pictures() {
        let sure = [0.999, 0.001];
        // 20 looks are 10,000 pictures: the preset `default`, which catches up after 12,000.
        assert_eq!(told(512, sure, |_| true), [512 + 59 * 512]);
        assert!(told(512, sure, |round| round <= 24).is_empty());
        assert!(told(512, sure, |round| round % 50 != 0).is_empty());
        assert_eq!(told(512, sure, |round| round > 30), [31 * 512 + 59 * 512]);
        // Large batches: 20 looks all the same.
        assert_eq!(told(40_000, sure, |round| round > 9), [29 * 40_000]);
    }

    #[test]
    fn collapse_is_told_once_after_three_looks() {
        let mut variety = Variety::default();
        for distance in [1.0, 10.0, 0.9, 0.9, 5.0, 0.9, 0.9] {
            assert_eq!(variety.look(distance), None);
        }
        assert_eq!(variety.look(0.5), Some(0.05));
        assert_eq!(variety.look(0.5), None);
    }

    #[test]
    fn rms_distance_is_that_of_the_pairs() {
        let samples = [0.0, 0.0, 3.0, 4.0, -1.0, 2.0];
        let squares = [25.0, 5.0, 20.0]; // by hand
        let expected = (squares.iter().sum::<f64>() / 3.0).sqrt();
        assert!((rms_distance(&samples, 3) - expected).abs() < 1e-12);
        assert_eq!(rms_distance(&[1.0, 2.0], 1), 0.0);
    }

    #[test]
    fn wrong_settings_are_named() {
        let check = |change: fn(&mut GuardConfig)| {
            let mut config = GuardConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(GuardConfig::default().validate().is_ok());
        assert!(check(|c| c.window = 0).contains("guard.window"));
        assert!(check(|c| c.limit = 21).contains("`guard.limit` is 21"));
        assert!(check(|c| c.lr_factor = f64::NAN).contains("`guard.lr_factor` is NaN"));
        assert!(check(|c| c.lr_factor = 1.5).contains("guard.lr_factor"));
    }
}
