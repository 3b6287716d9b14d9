//! Seed 002, clause 10: procedures.

use crate::{device, server};

rows! {
    Approved:
    "VR-174" Step "S" "10.1 step 1"
        "the server asks for nodes below VMImgMO" by by!(server::DELIVERY);
    "VR-175" Step "C" "10.1 step 2" "the client makes them" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-176" Must "C" "10.1 step 2" "the client sets ImgID" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-177" Must "C" "10.1 step 2" "State begins at 0" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-178" Step "C" "10.1 step 2"
        "the client answers with a status" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-179" Must "S" "10.1 step 3"
        "the server sets Name, MediaType, DownloadURI" by by!(server::DELIVERY);
    "VR-180" Step "S" "10.1 step 3" "then it sends Exec to Download" by by!(server::DELIVERY);
    "VR-181" Step "C" "10.1 step 4"
        "the client downloads from DownloadURI" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-182" Step "C" "10.1 step 4"
        "by HTTP or Download OTA"
        by by!(device::AN_IMAGE_IS_DELIVERED, device::A_DESCRIPTOR_IS_FOLLOWED);
    "VR-183" Must "C" "10.1 step 4"
        "State follows the download"
        by by!(device::AN_IMAGE_IS_DELIVERED, device::A_DOWNLOAD_FAILS);
    "VR-184" Must "C" "10.1 step 4"
        "once downloaded, DownloadedLocation is set" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-185" Must "C" "10.1 step 4"
        "once downloaded, the alert is sent" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-186" Step "C" "10.1 step 4"
        "the Exec is answered now or later" by by!(device::AN_IMAGE_IS_DELIVERED);
    "VR-187" Step "S" "10.2 step 1"
        "the server asks for nodes below VirMO" by by!(server::CREATION);
    "VR-188" Step "C" "10.2 step 2" "the client makes them" by by!(device::A_VM_LIVES);
    "VR-189" Must "C" "10.2 step 2" "the client gives VMID" by by!(device::A_VM_LIVES);
    "VR-190" Must "C" "10.2 step 2" "State begins at 0" by by!(device::A_VM_LIVES);
    "VR-191" Step "C" "10.2 step 2" "the client answers with a status" by by!(device::A_VM_LIVES);
    "VR-192" Must "S" "10.2 step 3" "the server sets CreateParams" by by!(server::CREATION);
    "VR-193" Step "S" "10.2 step 3" "then it sends Exec to Create" by by!(server::CREATION);
    "VR-194" Step "C" "10.2 step 4"
        "the client makes the VM of CreateParams" by by!(device::CREATE_PARAMS_ARE_READ);
    "VR-195" Must "C" "10.2 step 4" "the client updates State" by by!(device::A_VM_LIVES);
    "VR-196" Step "C" "10.2 step 4" "the Exec is answered now or later" by by!(device::A_VM_LIVES);
    "VR-197" May "S" "10.2 step 5"
        "the server may delete the image then"
        by by!(device::AN_IMAGE_IS_DELETED, server::DELETION);
    "VR-198" Step "S" "10.3 step 1" "the server sends Exec to Delete" by by!(server::DELETION);
    "VR-199" Must "C" "10.3 step 2"
        "the client deletes the VM" by by!(device::A_DELETED_VM_IS_GONE);
    "VR-200" Must "C" "10.3 step 2" "the client deletes its nodes" by by!(device::A_VM_LIVES);
}
