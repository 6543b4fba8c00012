//! Text that becomes a part of a page.

use crate::words;

/// Text as HTML shows it, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The template with each `{{name}}` replaced by its part. Parts are not looked into, so text of the
/// run that looks like a placeholder stays what it is.
pub(super) fn fill(template: &str, parts: &[(&str, &str)]) -> String {
    let size: usize = parts.iter().map(|(_, part)| part.len()).sum();
    let mut page = String::with_capacity(template.len() + size);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let part = parts.iter().find(|(key, _)| *key == name);
        page.push_str(part.map_or("", |(_, part)| part));
        rest = after;
    }
    page.push_str(rest);
    page
}

/// A number to be read: about four digits, with commas between thousands.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if !value.is_finite() => return value.to_string(),
        0.0 => return "0".into(),
        _ if !(1e-3..1e7).contains(&size) => return format!("{value:.2e}").replace('-', "−"),
        _ if size < 1.0 => 4,
        _ if size < 10.0 => 3,
        _ if size < 100.0 => 2,
        _ if size < 1000.0 => 1,
        _ => 0,
    };
    fixed(value, decimals)
}

/// A number with so many decimals, commas between thousands, and a minus that is as wide as a digit.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_zero = !text.contains(|digit: char| ('1'..='9').contains(&digit));
    let mut number = String::from(if value < 0.0 && !is_zero { "−" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            number.push(',');
        }
        number.push(digit);
    }
    if !fraction.is_empty() {
        number.push('.');
        number.push_str(fraction);
    }
    number
}

/// A number of things, with commas between thousands.
pub(super) fn count(number: usize, noun: &str) -> String {
    let plain = words::count(number, noun);
    plain.replacen(&number.to_string(), &fixed(number as f64, 0), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("<script>alert('a & \"b\"')</script>"),
            "&lt;script&gt;alert(&#39;a &amp; &quot;b&quot;&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn parts_are_put_in_once_and_not_looked_into() {
        let filled = fill("a {{x}} b {{y}} {{z}}.", &[("x", "{{y}}"), ("y", "2")]);
        assert_eq!(filled, "a {{y}} b 2 .");
        assert_eq!(fill("no end {{x", &[("x", "1")]), "no end 1");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.12345, "0.1235"),
            (-1.5, "−1.500"),
            (12.345, "12.35"),
            (123.45, "123.5"),
            (2105.4, "2,105"),
            (1_234_567.0, "1,234,567"),
            (3e-5, "3.00e−5"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(fixed(-0.001, 1), "0.0");
        assert_eq!(count(60_000, "picture"), "60,000 pictures");
    }
}
