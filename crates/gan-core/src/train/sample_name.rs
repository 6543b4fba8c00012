//! Names of the pictures in `samples/`.

use super::Every;
use crate::game::Clock;

/// Before the first round.
pub(crate) const UNTRAINED: &str = "fakes_init.png";
/// The last state, whatever the cadence.
pub(crate) const LATEST: &str = "latest.png";

/// The name of the picture that is due at `clock`.
pub(crate) fn name_at(every: Every, clock: &Clock) -> String {
    let multiple = every.last_multiple(clock);
    match every {
        Every::Rounds(_) => format!("round{multiple:09}.png"),
        Every::Images(images) if images.is_multiple_of(1000) => {
            format!("{:06}kimg.png", multiple / 1000)
        }
        _ => format!("{:06}.{:03}kimg.png", multiple / 1000, multiple % 1000),
    }
}

/// When a picture was drawn, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum When {
    Untrained,
    Kimg(f64),
    Round(u64),
    Last,
}

impl When {
    /// From the name of the picture; `None` if it is no picture of samples.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            UNTRAINED => return Some(Self::Untrained),
            LATEST => return Some(Self::Last),
            _ => {}
        }
        let stem = name.strip_suffix(".png")?;
        if let Some(round) = stem.strip_prefix("round") {
            return round.parse().ok().map(Self::Round);
        }
        let kimg: f64 = stem.strip_suffix("kimg")?.parse().ok()?;
        kimg.is_finite().then_some(Self::Kimg(kimg))
    }

    /// Whether it is from a round after `clock`.
    pub fn is_later(self, clock: &Clock) -> bool {
        match self {
            Self::Untrained => false,
            Self::Kimg(kimg) => (kimg * 1000.0).round() as u64 > clock.images,
            Self::Round(round) => round > clock.round,
            // The next end draws it again; until then it would be older than its name says.
            Self::Last => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_and_tell_when_they_were_drawn() {
        let name = |every, images| {
            let clock = Clock {
                seed: 0,
                round: 7,
                images,
            };
            let name = name_at(every, &clock);
            let when = When::of_name(&name).unwrap();
            assert!(!when.is_later(&clock), "{name}");
            let earlier = Clock {
                seed: 0,
                round: 0,
                images: 99,
            };
            assert!(when.is_later(&earlier), "{name}");
            name
        };
        assert_eq!(name(Every::kimg(50.0), 100_010), "000100kimg.png");
        assert_eq!(name(Every::kimg(0.1), 1_234), "000001.200kimg.png");
        assert_eq!(name(Every::rounds(3), 1_234), "round000000006.png");
        assert!(!When::Untrained.is_later(&Clock::new(0)));
        assert!(When::Last.is_later(&Clock::new(0)));
    }

    #[test]
    fn pictures_are_in_the_order_of_time() {
        let names = [
            "fakes_init.png",
            "000001.200kimg.png",
            "000100kimg.png",
            "round000000006.png",
            "latest.png",
        ];
        let whens = names.map(|name| When::of_name(name).unwrap());
        assert!(whens.is_sorted());
        assert_eq!(whens[1], When::Kimg(1.2));
        for other in ["holiday.png", "NaNkimg.png", "roundx.png", "latest.jpg"] {
            assert_eq!(When::of_name(other), None, "{other}");
        }
    }
}
