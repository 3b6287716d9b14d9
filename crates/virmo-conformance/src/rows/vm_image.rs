//! Seed 001: the VM Image MO.

use crate::Proof;

rows! {
    VmImage:
    "CR-001" Info "B" "1 Reason for change"
        "images are managed by an object, before a VM is created of one" by Proof::Information;
    "CR-002" Info "D" "2, 3" "nothing else changes" by Proof::Information;
    "CR-003" Stmt "B" "9"
        "images are managed by an object between server and client" by Proof::As("VR-147");
    "CR-004" NodeReq "C" "9 VMImgMO" "node VMImgMO: One, node, Get" by Proof::As("VR-147");
    "CR-005" NodeReq "C" "9 VMImgMO/<x>"
        "node VMImgMO/<x>: ZeroOrMore, node, Get" by Proof::As("VR-149");
    "CR-006" NodeReq "C" "9 VMImgMO/<x>/ImgID" "node ImgID: One, chr, Get" by Proof::As("VR-150");
    "CR-007" NodeReq "C" "9 VMImgMO/<x>/Name" "node Name: One, chr, Get" by Proof::As("VR-153");
    "CR-008" NodeReq "C" "9 VMImgMO/<x>/Description"
        "node Description: ZeroOrOne, chr, Get" by Proof::As("VR-155");
    "CR-009" NodeReq "C" "9 VMImgMO/<x>/DownloadURI"
        "node DownloadURI: One, chr, Get" by Proof::As("VR-156");
    "CR-010" NodeReq "C" "9 VMImgMO/<x>/DownloadedLocation"
        "node DownloadedLocation: One, chr, Get" by Proof::As("VR-157");
    "CR-011" NodeReq "C" "9 VMImgMO/<x>/State"
        "node State: ZeroOrOne, int, Get" by Proof::As("VR-160");
    "CR-012" NodeReq "C" "9 VMImgMO/<x>/MediaType"
        "node MediaType: One, chr, Get" by Proof::As("VR-163");
    "CR-013" NodeReq "C" "9 VMImgMO/<x>/Operations"
        "node Operations: One, node, Get" by Proof::As("VR-166");
    "CR-014" NodeReq "C" "9 VMImgMO/<x>/Operations/Download"
        "node Download: One, null, Get and Exec" by Proof::As("VR-167");
    "CR-015" NodeReq "C" "9 VMImgMO/<x>/Operations/Delete"
        "node Delete: One, null, Get and Exec" by Proof::As("VR-170");
    "CR-016" NodeOpt "C" "9 VMImgMO/<x>/Ext"
        "node Ext: optional, One, node, Get" by Proof::As("VR-173");
    "CR-017" Must "C" "9 VMImgMO" "the MOID of the object" by Proof::As("VR-148");
    "CR-018" Must "C" "9 ImgID" "ImgID is the client's to give" by Proof::As("VR-151");
    "CR-019" Must "C" "9 ImgID" "ImgID is unique in the object" by Proof::As("VR-152");
    "CR-020" Must "S" "9 Name" "Name is the server's to set" by Proof::As("VR-154");
    "CR-021" Stmt "B" "9 DownloadURI" "by HTTP or Download OTA" by Proof::As("VR-182");
    "CR-022" Stmt "B" "9 DownloadedLocation"
        "DownloadedLocation holds while State is 2" by Proof::As("VR-158");
    "CR-023" Must "C" "9 State" "State is the client's to set" by Proof::As("VR-161");
    "CR-024" Must "C" "9 State" "State is 0 to 3" by Proof::As("VR-162");
    "CR-025" Must "B" "9 MediaType" "MediaType is a media type" by Proof::As("VR-164");
    "CR-026" Must "S" "9 MediaType" "MediaType is the server's to set" by Proof::As("VR-165");
    "CR-027" Must "C" "9 Operations/Download"
        "once downloaded, DownloadedLocation is set" by Proof::As("VR-168");
    "CR-028" Must "C" "9 Operations/Download"
        "once downloaded, the alert is sent" by Proof::As("VR-169");
    "CR-029" Must "C" "9 Operations/Delete"
        "a whole or partial image is deleted" by Proof::As("VR-171");
    "CR-030" Must "C" "9 Operations/Delete"
        "the nodes of the image are deleted" by Proof::As("VR-172");
}
