//! Seed 002, clause 9: the VM Image MO.

use crate::{device, server};

rows! {
    Approved:
    "VR-147" NodeReq "C" "9 VMImgMO"
        "node VMImgMO: One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-148" Must "C" "9 VMImgMO" "the MOID of the object" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-149" NodeReq "C" "9 VMImgMO/<x>"
        "node VMImgMO/<x>: ZeroOrMore, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-150" NodeReq "C" "9 VMImgMO/<x>/ImgID"
        "node ImgID: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-151" Must "C" "9 ImgID" "ImgID is the client's to give" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-152" Must "C" "9 ImgID" "ImgID is unique in the object" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-153" NodeReq "C" "9 VMImgMO/<x>/Name"
        "node Name: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-154" Must "S" "9 Name" "Name is the server's to set" by by!(server::DELIVERY);
    "VR-155" NodeReq "C" "9 VMImgMO/<x>/Description"
        "node Description: ZeroOrOne, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-156" NodeReq "C" "9 VMImgMO/<x>/DownloadURI"
        "node DownloadURI: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-157" NodeReq "C" "9 VMImgMO/<x>/DownloadedLocation"
        "node DownloadedLocation: ZeroOrOne, chr, Get, No Replace"
        by by!(device::NODES_ARE_AS_PRINTED);
    "VR-158" Stmt "B" "9 DownloadedLocation"
        "DownloadedLocation holds while State is 2"
        by by!(device::AN_IMAGE_IS_DELIVERED, device::A_DOWNLOAD_FAILS);
    "VR-159" Must "C" "9 DownloadedLocation"
        "DownloadedLocation is the client's to set" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-160" NodeReq "C" "9 VMImgMO/<x>/State"
        "node State: One, int, Get, No Replace" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-161" Must "C" "9 State" "State is the client's to set" by by!(device::IDS_ARE_THE_DEVICES);
    "VR-162" Must "C" "9 State"
        "State is 0 to 3" by by!(device::AN_IMAGE_IS_DELIVERED, device::A_DOWNLOAD_FAILS);
    "VR-163" NodeReq "C" "9 VMImgMO/<x>/MediaType"
        "node MediaType: One, chr, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-164" Must "B" "9 MediaType"
        "MediaType is a media type" by by!(device::A_DOWNLOAD_FAILS, server::DELIVERY);
    "VR-165" Must "S" "9 MediaType" "MediaType is the server's to set" by by!(server::DELIVERY);
    "VR-166" NodeReq "C" "9 VMImgMO/<x>/Operations"
        "node Operations: One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-167" NodeReq "C" "9 VMImgMO/<x>/Operations/Download"
        "node Download: One, null, Get and Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-168" Must "C" "9 Operations/Download"
        "once downloaded, DownloadedLocation is set" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-169" Must "C" "9 Operations/Download"
        "once downloaded, the alert is sent" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-170" NodeReq "C" "9 VMImgMO/<x>/Operations/Delete"
        "node Delete: One, null, Get and Exec" by by!(device::NODES_ARE_AS_PRINTED);
    "VR-171" Must "C" "9 Operations/Delete"
        "a whole or partial image is deleted" by by!(device::AN_IMAGE_IS_DELETED);
    "VR-172" Must "C" "9 Operations/Delete"
        "the nodes of the image are deleted" by by!(device::AN_IMAGE_IS_DELETED);
    "VR-173" NodeOpt "C" "9 VMImgMO/<x>/Ext"
        "node Ext: optional, One, node, Get" by by!(device::NODES_ARE_AS_PRINTED);
}
