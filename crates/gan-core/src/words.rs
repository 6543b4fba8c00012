//! Numbers in sentences.

use core::time::Duration;

/// A time to be read: `2 h 5 min`, `3 min 20 s` or `20 s`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A number of things: `1 picture`, `0 pictures`, `2 pictures`. For nouns whose plural ends in `s`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let text = |seconds| time(Duration::from_secs(seconds));
        assert_eq!(text(9), "9 s");
        assert_eq!(text(125), "2 min 5 s");
        assert_eq!(text(7505), "2 h 5 min");
    }

    #[test]
    fn one_thing_is_not_two() {
        assert_eq!(count(0, "round"), "0 rounds");
        assert_eq!(count(1, "round"), "1 round");
        assert_eq!(count(12, "round"), "12 rounds");
    }
}
