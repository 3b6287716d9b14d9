//! The tokens of WAP provisioning documents. [WAP-ProvCont]
//!
//! They are the only documents of OMA DM with attributes. That 0x85 on page 1 stands for `IPV4`, as it
//! does on page 0, is unverified: it is read, and never written.

/// The elements, on tag pages 0 and 1 alike.
pub(crate) const TAGS: [(u8, &str); 3] = [
    (0x05, "wap-provisioningdoc"),
    (0x06, "characteristic"),
    (0x07, "parm"),
];

/// The element of a token.
pub(crate) fn tag(token: u8) -> Option<&'static str> {
    TAGS.iter()
        .find(|(known, _)| *known == token)
        .map(|(_, name)| *name)
}

/// The token of an element.
pub(crate) fn tag_token(name: &str) -> Option<u8> {
    TAGS.iter()
        .find(|(_, known)| *known == name)
        .map(|(token, _)| *token)
}

/// The name of an attribute and how its value begins.
pub(crate) fn attribute(page: u8, token: u8) -> Option<(&'static str, &'static str)> {
    attributes(page)
        .iter()
        .find(|(known, ..)| *known == token)
        .map(|(_, name, value)| (*name, *value))
}

/// The page and token of an attribute with exactly this value, empty for a name alone; on `page` if
/// it is there.
pub(crate) fn attribute_token(page: u8, name: &str, value: &str) -> Option<(u8, u8)> {
    [page, 0, 1].into_iter().find_map(|page| {
        let mut tokens = attributes(page).iter();
        let (token, ..) = tokens.find(|(_, n, v)| *n == name && *v == value)?;
        Some((page, *token))
    })
}

/// A part of a value.
pub(crate) fn value(page: u8, token: u8) -> Option<&'static str> {
    values(page)
        .iter()
        .find(|(known, _)| *known == token)
        .map(|(_, value)| *value)
}

/// The page and token of a whole value; on `page` if it is there.
pub(crate) fn value_token(page: u8, value: &str) -> Option<(u8, u8)> {
    [page, 0, 1].into_iter().find_map(|page| {
        let mut tokens = values(page).iter();
        let (token, _) = tokens.find(|(token, v)| *v == value && (page, *token) != UNVERIFIED)?;
        Some((page, *token))
    })
}

const UNVERIFIED: (u8, u8) = (1, 0x85);

const fn attributes(page: u8) -> &'static [(u8, &'static str, &'static str)] {
    match page {
        0 => ATTRIBUTES_0,
        1 => ATTRIBUTES_1,
        _ => &[],
    }
}

const fn values(page: u8) -> &'static [(u8, &'static str)] {
    match page {
        0 => VALUES_0,
        1 => VALUES_1,
        _ => &[],
    }
}

const ATTRIBUTES_0: &[(u8, &str, &str)] = &[
    (0x05, "name", ""),
    (0x06, "value", ""),
    (0x07, "name", "NAME"),
    (0x08, "name", "NAP-ADDRESS"),
    (0x09, "name", "NAP-ADDRTYPE"),
    (0x0A, "name", "CALLTYPE"),
    (0x0B, "name", "VALIDUNTIL"),
    (0x0C, "name", "AUTHTYPE"),
    (0x0D, "name", "AUTHNAME"),
    (0x0E, "name", "AUTHSECRET"),
    (0x0F, "name", "LINGER"),
    (0x10, "name", "BEARER"),
    (0x11, "name", "NAPID"),
    (0x12, "name", "COUNTRY"),
    (0x13, "name", "NETWORK"),
    (0x14, "name", "INTERNET"),
    (0x15, "name", "PROXY-ID"),
    (0x16, "name", "PROXY-PROVIDER-ID"),
    (0x17, "name", "DOMAIN"),
    (0x18, "name", "PROVURL"),
    (0x19, "name", "PXAUTH-TYPE"),
    (0x1A, "name", "PXAUTH-ID"),
    (0x1B, "name", "PXAUTH-PW"),
    (0x1C, "name", "STARTPAGE"),
    (0x1D, "name", "BASAUTH-ID"),
    (0x1E, "name", "BASAUTH-PW"),
    (0x1F, "name", "PUSHENABLED"),
    (0x20, "name", "PXADDR"),
    (0x21, "name", "PXADDRTYPE"),
    (0x22, "name", "TO-NAPID"),
    (0x23, "name", "PORTNBR"),
    (0x24, "name", "SERVICE"),
    (0x25, "name", "LINKSPEED"),
    (0x26, "name", "DNLINKSPEED"),
    (0x27, "name", "LOCAL-ADDR"),
    (0x28, "name", "LOCAL-ADDRTYPE"),
    (0x29, "name", "CONTEXT-ALLOW"),
    (0x2A, "name", "TRUST"),
    (0x2B, "name", "MASTER"),
    (0x2C, "name", "SID"),
    (0x2D, "name", "SOC"),
    (0x2E, "name", "WSP-VERSION"),
    (0x2F, "name", "PHYSICAL-PROXY-ID"),
    (0x30, "name", "CLIENT-ID"),
    (0x31, "name", "DELIVERY-ERR-SDU"),
    (0x32, "name", "DELIVERY-ORDER"),
    (0x33, "name", "TRAFFIC-CLASS"),
    (0x34, "name", "MAX-SDU-SIZE"),
    (0x35, "name", "MAX-BITRATE-UPLINK"),
    (0x36, "name", "MAX-BITRATE-DNLINK"),
    (0x37, "name", "RESIDUAL-BER"),
    (0x38, "name", "SDU-ERROR-RATIO"),
    (0x39, "name", "TRAFFIC-HANDL-PRIO"),
    (0x3A, "name", "TRANSFER-DELAY"),
    (0x3B, "name", "GUARANTEED-BITRATE-UPLINK"),
    (0x3C, "name", "GUARANTEED-BITRATE-DNLINK"),
    (0x3D, "name", "PXADDR-FQDN"),
    (0x3E, "name", "PROXY-PW"),
    (0x3F, "name", "PPGAUTH-TYPE"),
    (0x45, "version", ""),
    (0x46, "version", "1.0"),
    (0x47, "name", "PULLENABLED"),
    (0x48, "name", "DNS-ADDR"),
    (0x49, "name", "MAX-NUM-RETRY"),
    (0x4A, "name", "FIRST-RETRY-TIMEOUT"),
    (0x4B, "name", "REREG-THRESHOLD"),
    (0x4C, "name", "T-BIT"),
    (0x4E, "name", "AUTH-ENTITY"),
    (0x4F, "name", "SPI"),
    (0x50, "type", ""),
    (0x51, "type", "PXLOGICAL"),
    (0x52, "type", "PXPHYSICAL"),
    (0x53, "type", "PORT"),
    (0x54, "type", "VALIDITY"),
    (0x55, "type", "NAPDEF"),
    (0x56, "type", "BOOTSTRAP"),
    (0x57, "type", "VENDORCONFIG"),
    (0x58, "type", "CLIENTIDENTITY"),
    (0x59, "type", "PXAUTHINFO"),
    (0x5A, "type", "NAPAUTHINFO"),
    (0x5B, "type", "ACCESS"),
];

const ATTRIBUTES_1: &[(u8, &str, &str)] = &[
    (0x05, "name", ""),
    (0x06, "value", ""),
    (0x07, "name", "NAME"),
    (0x14, "name", "INTERNET"),
    (0x1C, "name", "STARTPAGE"),
    (0x22, "name", "TO-NAPID"),
    (0x23, "name", "PORTNBR"),
    (0x24, "name", "SERVICE"),
    (0x2E, "name", "AACCEPT"),
    (0x2F, "name", "AAUTHDATA"),
    (0x30, "name", "AAUTHLEVEL"),
    (0x31, "name", "AAUTHNAME"),
    (0x32, "name", "AAUTHSECRET"),
    (0x33, "name", "AAUTHTYPE"),
    (0x34, "name", "ADDR"),
    (0x35, "name", "ADDRTYPE"),
    (0x36, "name", "APPID"),
    (0x37, "name", "APROTOCOL"),
    (0x38, "name", "PROVIDER-ID"),
    (0x39, "name", "TO-PROXY"),
    (0x3A, "name", "URI"),
    (0x3B, "name", "RULE"),
    (0x50, "type", ""),
    (0x53, "type", "PORT"),
    (0x55, "type", "APPLICATION"),
    (0x56, "type", "APPADDR"),
    (0x57, "type", "APPAUTH"),
    (0x58, "type", "CLIENTIDENTITY"),
    (0x59, "type", "RESOURCE"),
];

const VALUES_0: &[(u8, &str)] = &[
    (0x85, "IPV4"),
    (0x86, "IPV6"),
    (0x87, "E164"),
    (0x88, "ALPHA"),
    (0x89, "APN"),
    (0x8A, "SCODE"),
    (0x8B, "TETRA-ITSI"),
    (0x8C, "MAN"),
    (0x90, "ANALOG-MODEM"),
    (0x91, "V.120"),
    (0x92, "V.110"),
    (0x93, "X.31"),
    (0x94, "BIT-TRANSPARENT"),
    (0x95, "DIRECT-ASYNCHRONOUS-DATA-SERVICE"),
    (0x9A, "PAP"),
    (0x9B, "CHAP"),
    (0x9C, "HTTP-BASIC"),
    (0x9D, "HTTP-DIGEST"),
    (0x9E, "WTLS-SS"),
    (0x9F, "MD5"),
    (0xA2, "GSM-USSD"),
    (0xA3, "GSM-SMS"),
    (0xA4, "ANSI-136-GUTS"),
    (0xA5, "IS-95-CDMA-SMS"),
    (0xA6, "IS-95-CDMA-CSD"),
    (0xA7, "IS-95-CDMA-PACKET"),
    (0xA8, "ANSI-136-CSD"),
    (0xA9, "ANSI-136-GPRS"),
    (0xAA, "GSM-CSD"),
    (0xAB, "GSM-GPRS"),
    (0xAC, "AMPS-CDPD"),
    (0xAD, "PDC-CSD"),
    (0xAE, "PDC-PACKET"),
    (0xAF, "IDEN-SMS"),
    (0xB0, "IDEN-CSD"),
    (0xB1, "IDEN-PACKET"),
    (0xB2, "FLEX/REFLEX"),
    (0xB3, "PHS-SMS"),
    (0xB4, "PHS-CSD"),
    (0xB5, "TRETRA-SDS"),
    (0xB6, "TRETRA-PACKET"),
    (0xB7, "ANSI-136-GHOST"),
    (0xB8, "MOBITEX-MPAK"),
    (0xB9, "CDMA2000-1X-SIMPLE-IP"),
    (0xBA, "CDMA2000-1X-MOBILE-IP"),
];

const VALUES_1: &[(u8, &str)] = &[
    (0x85, "IPV4"),
    (0x86, "IPV6"),
    (0x87, "E164"),
    (0x88, "ALPHA"),
    (0x8D, "APPSRV"),
    (0x8E, "OBEX"),
    (0x90, ","),
    (0x91, "HTTP-"),
    (0x92, "BASIC"),
    (0x93, "DIGEST"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for page in [0, 1] {
            for &(token, name, value) in attributes(page) {
                assert_eq!(attribute(page, token), Some((name, value)));
                assert_eq!(attribute_token(page, name, value), Some((page, token)));
            }
            for &(token, text) in values(page) {
                assert_eq!(value(page, token), Some(text));
                let written = (page, token) != UNVERIFIED;
                assert_eq!(value_token(page, text) == Some((page, token)), written);
            }
        }
        for (token, name) in TAGS {
            assert_eq!((tag(token), tag_token(name)), (Some(name), Some(token)));
        }
        assert_eq!(attribute(2, 0x05), None);
        assert_eq!(attribute_token(0, "name", "x"), None);
    }

    #[test]
    fn another_page_is_searched_if_need_be() {
        assert_eq!(attribute_token(0, "name", "APPID"), Some((1, 0x36)));
        assert_eq!(attribute_token(1, "name", "PROXY-ID"), Some((0, 0x15)));
        assert_eq!(attribute_token(1, "value", ""), Some((1, 0x06)));
        assert_eq!(value_token(1, "IPV4"), Some((0, 0x85)));
    }
}
