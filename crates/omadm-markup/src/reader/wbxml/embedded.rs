use super::{Pages, Result, WbxmlReader, header::Header};

/// What to come back to after an embedded document.
#[derive(Debug)]
pub(super) struct Outer<'a> {
    input: &'a [u8],
    header: Header<'a>,
    pages: Pages,
    base: usize,
    inside: bool,
    rooted: bool,
}

impl<'a> WbxmlReader<'a> {
    /// Goes into the document that is in the octets at `at`, if there is one.
    pub(super) fn enter_embedded(&mut self, at: usize) -> Result<bool> {
        // What can be embedded embeds nothing, so that there is one level alone.
        if self.header.kind.is_embedded() {
            return Ok(false);
        }
        let octets = self.opaque()?;
        let start = self.at - octets.len();
        let end = self.at;
        let Some((header, body)) = self.embedded(octets) else {
            self.at = at;
            return Ok(false);
        };
        self.outer = Some(Outer {
            input: self.input,
            header: std::mem::replace(&mut self.header, header),
            pages: self.pages,
            base: self.base,
            inside: std::mem::take(&mut self.inside),
            rooted: std::mem::take(&mut self.rooted),
        });
        self.header.table_at += start;
        self.turn_to(Pages::default());
        self.embedded = (start, end);
        self.input = self.input.get(..end).unwrap_or_default();
        self.at = start + body;
        self.base = self.depth;
        Ok(true)
    }

    /// The header of a document that stands in octets, if they are one from end to end, and where
    /// its body begins.
    fn embedded(&mut self, octets: &'a [u8]) -> Option<(Header<'a>, usize)> {
        let mut limits = self.limits.clone();
        limits.max_depth = limits.max_depth.saturating_sub(self.depth);
        let (header, body) = Header::read(octets, 0, &limits).ok()?;
        if !header.kind.is_embedded() {
            return None;
        }
        let mut reader = WbxmlReader::new(octets, body, header, &limits);
        reader.referred = self.referred;
        loop {
            match reader.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => return Some((header, body)),
                Err(_) => {
                    // What was tried in vain was not free.
                    self.referred = reader.referred;
                    return None;
                }
            }
        }
    }

    /// Comes back from an embedded document that was read whole.
    pub(super) fn leave_embedded(&mut self) -> bool {
        if self.depth != self.base || !self.rooted {
            return false;
        }
        let Some(outer) = self.outer.take() else {
            return false;
        };
        self.input = outer.input;
        self.header = outer.header;
        self.base = outer.base;
        self.inside = outer.inside;
        self.rooted = outer.rooted;
        self.turn_to(outer.pages);
        true
    }
}
