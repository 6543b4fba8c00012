//! Whether a model fits into memory, before it is made.

use std::fs;

use gan_core::error::ConfigError;
use gan_models::PlayerSize;
use serde_json::Value;

/// The largest width, latent or count in a configuration of a network: more is a slip of the hand, and
/// products of a few such numbers can still be counted in 64 bits.
const LARGEST: u64 = 1 << 20;
/// What a machine is taken to have that does not tell.
const UNKNOWN_MEMORY: u128 = 1 << 40;

/// Refuses absurd sizes in `model`, the part of a configuration with that name.
///
/// # Errors
///
/// Names the key.
pub(crate) fn check_sizes(model: &Value) -> Result<(), ConfigError> {
    let parts = ["generator", "critic", "condition", "classes"];
    let mut parts = parts
        .iter()
        .filter_map(|name| Some((name, model.get(name)?)));
    parts.try_for_each(|(name, part)| check_part(&format!("model.{name}"), part))
}

fn check_part(key: &str, part: &Value) -> Result<(), ConfigError> {
    let is_absurd = |value: &Value| value.as_u64().is_some_and(|number| number > LARGEST);
    let too_large = |allowed: &str| Err(ConfigError::new(key, part, format!("{allowed}{LARGEST}")));
    match part {
        Value::Number(_) if is_absurd(part) => too_large("at most "),
        Value::Array(items) if items.iter().any(is_absurd) => too_large("numbers of at most "),
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, value)| check_part(&format!("{key}.{name}"), value)),
        _ => Ok(()),
    }
}

/// Refuses players that do not fit into `memory` bytes: weights, gradients, optimisers and averages.
///
/// # Errors
///
/// Names the larger player.
pub(crate) fn check_players(players: &[PlayerSize; 2], memory: u128) -> Result<(), ConfigError> {
    let needed: u128 = players.iter().map(|player| player.bytes).sum();
    if needed <= memory {
        return Ok(());
    }
    let [generator, critic] = players;
    let larger = if critic.bytes > generator.bytes {
        critic
    } else {
        generator
    };
    let gib = |bytes: u128| bytes as f64 / f64::from(1 << 30);
    let allowed = format!(
        "smaller: with gradients, optimisers and averages both players take {:.1} GiB, and this machine \
         has {:.1}",
        gib(needed),
        gib(memory)
    );
    let value = format!("a network of {} parameters", larger.parameters);
    Err(ConfigError::new(
        format!("model.{}", larger.name),
        value,
        allowed,
    ))
}

/// Bytes of memory that this process may use, at most.
pub(crate) fn of_machine() -> u128 {
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(
            line.trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u128>()
                .ok()?
                * 1024,
        )
    });
    // What a container is given, by either version of control groups.
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = limits.map(|path| read(path)?.trim().parse::<u128>().ok());
    let known = limits.into_iter().chain([machine]).flatten();
    known.min().unwrap_or(UNKNOWN_MEMORY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absurd_sizes_are_refused_by_key() {
        let fine = json!({"generator": {"latent_size": 1 << 20, "widths": [64, 32]}, "batch_size": 1 << 30});
        assert_eq!(check_sizes(&fine), Ok(()));
        for (model, message) in [
            (
                json!({"generator": {"latent_size": 1_000_000_000}}),
                "`model.generator.latent_size` is 1000000000; it must be at most 1048576",
            ),
            (
                json!({"critic": {"network": {"widths": [8, 2_000_000]}}}),
                "`model.critic.network.widths` is [8,2000000]; it must be numbers of at most 1048576",
            ),
        ] {
            assert_eq!(check_sizes(&model).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn players_that_do_not_fit_are_refused_and_the_larger_is_named() {
        let player = |name, parameters: usize| PlayerSize {
            name,
            parameters,
            bytes: 16 * parameters as u128,
        };
        let both = [player("generator", 10), player("critic", 1 << 30)];
        assert_eq!(check_players(&both, 17 << 30), Ok(()));
        assert_eq!(
            check_players(&both, 8 << 30).unwrap_err().to_string(),
            "`model.critic` is a network of 1073741824 parameters; it must be smaller: with gradients, \
             optimisers and averages both players take 16.0 GiB, and this machine has 8.0"
        );
    }

    #[test]
    fn a_machine_has_some_memory() {
        assert!(of_machine() > 64 << 20);
    }
}
