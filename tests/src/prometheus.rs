//! A strict reader of Prometheus' text format 0.0.4: what it takes, every scraper takes.

use std::collections::{BTreeMap, BTreeSet};

/// One metric with its samples.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// One line of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    /// The value of a label, or nothing.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Page(pub BTreeMap<String, Family>);

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// The first line that breaks a rule, and the rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        let (mut page, mut current, mut seen) = (Self::default(), String::new(), BTreeSet::new());
        for line in text.lines() {
            let broken = |rule: &str| format!("{rule}: `{line}`");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').ok_or_else(|| broken("no help"))?;
                check_name(name).map_err(|rule| broken(&rule))?;
                if page.0.contains_key(name) {
                    return Err(broken("samples of one metric stand together"));
                }
                current = name.to_owned();
                page.0.entry(current.clone()).or_default().help = help.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').ok_or_else(|| broken("no type"))?;
                if name != current || !["counter", "gauge", "histogram"].contains(&kind) {
                    return Err(broken("a type follows its help"));
                }
                page.0.entry(current.clone()).or_default().kind = kind.to_owned();
            } else {
                let sample = sample(line).map_err(|rule| broken(&rule))?;
                let family = page
                    .0
                    .get_mut(&current)
                    .ok_or_else(|| broken("a sample without a head"))?;
                if !belongs(&sample.name, &current, &family.kind) {
                    return Err(broken("a sample stands below its own head"));
                }
                if !seen.insert(format!("{} {:?}", sample.name, sample.labels)) {
                    return Err(broken("a sample stands twice"));
                }
                family.samples.push(sample);
            }
        }
        page.0.iter().try_for_each(|(name, family)| family.check(name))?;
        Ok(page)
    }

    /// The value of a sample with these labels among its own.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let all = self.0.values().flat_map(|family| &family.samples);
        let mut fit = all.filter(|sample| {
            sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == *value)
        });
        fit.next().map(|sample| sample.value)
    }

    /// Names of samples, those of histograms with their ends.
    pub fn names(&self) -> BTreeSet<&str> {
        let samples = self.0.values().flat_map(|family| &family.samples);
        samples.map(|sample| sample.name.as_str()).collect()
    }
}

impl Family {
    fn check(&self, name: &str) -> Result<(), String> {
        let counts = self.kind == "counter";
        if counts && !name.ends_with("_total") {
            return Err(format!("the counter `{name}` does not end in _total"));
        }
        if counts && self.samples.iter().any(|sample| sample.value < 0.0) {
            return Err(format!("the counter `{name}` is below zero"));
        }
        if self.kind == "histogram" {
            self.check_buckets(name)
        } else {
            Ok(())
        }
    }

    /// Buckets grow, the last one is `+Inf`, and the count is its.
    fn check_buckets(&self, name: &str) -> Result<(), String> {
        let mut series: BTreeMap<String, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            labels.remove("le");
            series.entry(format!("{labels:?}")).or_default().push(sample);
        }
        for samples in series.values() {
            let buckets: Vec<_> = samples
                .iter()
                .filter(|sample| sample.name.ends_with("_bucket"))
                .collect();
            let bounds: Vec<f64> = buckets
                .iter()
                .map(|sample| number(sample.label("le")).unwrap_or(f64::NAN))
                .collect();
            let grow = bounds.windows(2).all(|pair| pair[0] < pair[1])
                && buckets.windows(2).all(|pair| pair[0].value <= pair[1].value);
            let of = |end: &str| {
                samples
                    .iter()
                    .find(|sample| sample.name == format!("{name}{end}"))
            };
            let count = of("_count").map(|sample| sample.value);
            let whole =
                bounds.last() == Some(&f64::INFINITY) && buckets.last().map(|last| last.value) == count;
            if !grow || !whole || of("_sum").is_none() {
                return Err(format!("the histogram `{name}` does not add up"));
            }
        }
        Ok(())
    }
}

fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    match sample.strip_prefix(family) {
        Some("") => kind != "histogram",
        Some("_bucket" | "_sum" | "_count") => kind == "histogram",
        _ => false,
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let lawful = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    (first && name.bytes().all(lawful))
        .then_some(())
        .ok_or_else(|| format!("no name: `{name}`"))
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    check_name(name)?;
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or("a label without a value")?;
            check_name(label)?;
            let (value, after) = quoted(value)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err("a label stands twice".into());
            }
            match after.split_at_checked(1) {
                Some((",", more)) => rest = more,
                Some(("}", more)) => {
                    rest = more;
                    break;
                }
                _ => return Err("no end of the labels".into()),
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value: number(value).ok_or("no number")?,
    })
}

/// The text before the closing quote, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => return Err("an unknown escape".into()),
            },
            letter => value.push(letter),
        }
    }
    Err("a label without an end".into())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        text if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let page = "# HELP a What.\n# TYPE a gauge\na{b=\"x\\\"y\"} 1\n# HELP h H.\n# TYPE h histogram\n\
                    h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
        let parsed = Page::parse(page).unwrap();
        assert_eq!(parsed.value("a", &[("b", "x\"y")]), Some(1.0));
        assert!(parsed.names().contains("h_bucket"));
        for (from, to) in [
            ("a{b=", "a {b="),
            ("} 1\n# HELP h", "} one\n# HELP h"),
            ("h_count 2", "h_count 3"),
            ("h_sum 3\n", ""),
            ("+Inf\"} 2", "+Inf\"} 0"),
            ("gauge", "counter"),
            ("a{b=\"x\\\"y\"}", "c"),
            ("h_count 2\n", "h_count 2"),
            ("\na{b", "\na{b=\"x\\\"y\"} 1\na{b"),
        ] {
            assert!(page.contains(from), "{from}");
            assert!(
                Page::parse(&page.replacen(from, to, 1)).is_err(),
                "{from} -> {to}"
            );
        }
    }
}
