use std::fmt;

/// The status code of a SyncML `Status` element. [DM-RepPro §10]
///
/// An open newtype: a code this crate has no constant for is kept as it is, and judged by its
/// hundred class.
///
/// ```
/// use omadm_core::StatusCode;
///
/// assert!(StatusCode::ACCEPTED.is_success());
/// assert_eq!(StatusCode::from(777).name(), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        impl StatusCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// Every code with a constant, in numeric order.
            pub const KNOWN: &'static [Self] = &[$(Self::$name),*];

            /// The name the specification gives the code, if it gives one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The command is running.
    IN_PROGRESS = 101, "In progress";
    /// Done; for a confirmation alert: yes.
    OK = 200, "OK";
    /// Accepted; the final result follows by a Generic Alert.
    ACCEPTED = 202, "Accepted for processing";
    /// Credentials accepted for the whole session.
    AUTHENTICATION_ACCEPTED = 212, "Authentication accepted";
    /// A chunk of a large object was buffered.
    CHUNK_ACCEPTED = 213, "Chunked item accepted";
    /// The user cancelled the interaction.
    OPERATION_CANCELLED = 214, "Operation cancelled";
    /// The command was skipped.
    NOT_EXECUTED = 215, "Not executed";
    /// A command inside a failed Atomic was undone.
    ATOMIC_ROLLED_BACK = 216, "Atomic roll back OK";
    /// A confirmation alert was answered with no.
    NOT_MODIFIED = 304, "Not modified";
    /// The command is malformed.
    BAD_REQUEST = 400, "Bad request";
    /// The credentials are wrong.
    UNAUTHORIZED = 401, "Invalid credentials";
    /// Impossible for a reason other than access rights.
    FORBIDDEN = 403, "Forbidden";
    /// The node does not exist.
    NOT_FOUND = 404, "Not found";
    /// The node does not allow this command, or not in its present state.
    COMMAND_NOT_ALLOWED = 405, "Command not allowed";
    /// The feature is not supported.
    OPTIONAL_FEATURE_NOT_SUPPORTED = 406, "Optional feature not supported";
    /// Credentials are missing.
    AUTHENTICATION_REQUIRED = 407, "Authentication required";
    /// The user did not answer in time.
    REQUEST_TIMEOUT = 408, "Request timeout";
    /// A chunk of a large object comes without the Size of the whole.
    SIZE_REQUIRED = 411, "Size required";
    /// The command lacks a required part.
    INCOMPLETE_COMMAND = 412, "Incomplete command";
    /// The value or message is larger than the receiver takes.
    REQUEST_ENTITY_TOO_LARGE = 413, "Request entity too large";
    /// The URI, a segment of it, or its depth exceeds a limit.
    URI_TOO_LONG = 414, "URI too long";
    /// The Type or Format is not supported.
    UNSUPPORTED_MEDIA_TYPE_OR_FORMAT = 415, "Unsupported media type or format";
    /// The interaction cannot be displayed.
    REQUESTED_SIZE_TOO_BIG = 416, "Requested size too big";
    /// The node exists already.
    ALREADY_EXISTS = 418, "Already exists";
    /// Storage or memory is exhausted.
    DEVICE_FULL = 420, "Device full";
    /// A reassembled object does not have its announced size.
    SIZE_MISMATCH = 424, "Size mismatch";
    /// The ACL refuses.
    PERMISSION_DENIED = 425, "Permission denied";
    /// The command failed.
    COMMAND_FAILED = 500, "Command failed";
    /// The command is unknown.
    COMMAND_NOT_IMPLEMENTED = 501, "Command not implemented";
    /// The receiver cannot serve now.
    SERVICE_UNAVAILABLE = 503, "Service unavailable";
    /// The `VerDTD` is not supported.
    DTD_VERSION_NOT_SUPPORTED = 505, "DTD version not supported";
    /// A child of the Atomic failed.
    ATOMIC_FAILED = 507, "Atomic failed";
    /// A storage error during Copy or Exec.
    DATA_STORE_FAILURE = 510, "Data store failure";
    /// The `VerProto` is not supported.
    PROTOCOL_VERSION_NOT_SUPPORTED = 513, "Protocol version not supported";
    /// A child of a failed Atomic could not be undone.
    ATOMIC_ROLL_BACK_FAILED = 516, "Atomic roll back failed";
    /// The responses of the Atomic do not fit one message.
    ATOMIC_RESPONSE_TOO_LARGE = 517, "Atomic response too large to fit";
}

impl StatusCode {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the code is of the class 2xx and the command had an effect: 215 and 216 say that it
    /// was not executed, or undone.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2 && !matches!(self, Self::NOT_EXECUTED | Self::ATOMIC_ROLLED_BACK)
    }

    /// Whether the code is of the class 4xx or 5xx.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self.0 / 100, 4 | 5)
    }
}

impl From<u16> for StatusCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_are_ordered_named_and_classed() {
        for pair in StatusCode::KNOWN.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
        }
        for code in StatusCode::KNOWN {
            assert!(code.name().is_some());
            let done = (200..300).contains(&code.get()) && ![215, 216].contains(&code.get());
            assert_eq!(code.is_success(), done);
            assert_eq!(code.is_failure(), (400..600).contains(&code.get()));
        }
        assert_eq!(format!("{:?}", StatusCode::NOT_FOUND), "404 Not found");
        assert_eq!(format!("{:?}", StatusCode::from(1234)), "1234");
    }
}
