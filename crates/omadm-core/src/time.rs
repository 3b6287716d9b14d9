use std::time::Duration;

/// The moment an input is handled. Time is an argument: no engine reads a clock.
///
/// ```
/// use std::time::Duration;
///
/// use omadm_core::Now;
///
/// let now = Now { wall: Duration::from_secs(994_869_497), mono: Duration::ZERO };
/// assert_eq!(now.timestamp(), "20010711T163817Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Now {
    /// Since 1970-01-01T00:00:00Z; for time stamps, may jump.
    pub wall: Duration,
    /// Since an origin of the caller's choice; for deadlines, never runs backwards.
    pub mono: Duration,
}

impl Now {
    /// The wall time as ISO 8601 basic UTC, as TStamp wants it. [DM-TND §7.7.6]
    ///
    /// Years above 9999 print as 9999.
    #[must_use]
    pub fn timestamp(self) -> String {
        let seconds = self.wall.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let rest = seconds % 86_400;
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        format!(
            "{:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z",
            year.min(9999)
        )
    }
}

/// Days since 1970-01-01 to year, month, day of the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years start in March here, so the leap day comes last and months have a closed formula.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> String {
        Now {
            wall: Duration::from_secs(seconds),
            mono: Duration::ZERO,
        }
        .timestamp()
    }

    #[test]
    fn timestamps_know_the_calendar() {
        assert_eq!(at(0), "19700101T000000Z");
        assert_eq!(at(951_782_399), "20000228T235959Z");
        assert_eq!(at(951_782_400), "20000229T000000Z");
        assert_eq!(at(1_709_164_800), "20240229T000000Z");
        assert_eq!(at(4_107_542_400), "21000301T000000Z");
        assert_eq!(at(4_107_456_000), "21000228T000000Z");
        assert!(at(u64::MAX / 4).starts_with("9999"));
    }
}
