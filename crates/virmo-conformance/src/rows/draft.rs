//! Seed 004: the draft.

use crate::{Proof, device};

rows! {
    Draft:
    "DR-001" Info "D" "1, 2" "scope and references" by Proof::Information;
    "DR-002" Stmt "B" "3.1" "key words bind" by Proof::As("VR-016");
    "DR-003" Stmt "B" "3.2" "definitions" by Proof::As("VR-017");
    "DR-004" Stmt "C" "3.2"
        "a locked VM is out of reach of the unauthorized; the server may unlock it"
        by by!(device::A_DRAFT_VM_IS_LOCKED);
    "DR-005" Stmt "C" "3.2" "an unlocked VM works again" by by!(device::A_DRAFT_VM_IS_LOCKED);
    "DR-006" Info "B" "4" "introduction" by Proof::Information;
    "DR-007" Shall "B" "5.1 VirMO-HLF-01" "a VM can be provided" by Proof::As("VR-024");
    "DR-008" Shall "B" "5.1 VirMO-HLF-02" "a VM can be deleted" by Proof::As("VR-025");
    "DR-009" Shall "B" "5.1 VirMO-HLF-03" "a VM can be started" by Proof::As("VR-026");
    "DR-010" Shall "B" "5.1 VirMO-HLF-04" "a VM can be stopped" by Proof::As("VR-027");
    "DR-011" Shall "B" "5.1 VirMO-HLF-05"
        "the resources of a VM can be managed" by by!(device::A_DRAFT_VM_HAS_RESOURCES);
    "DR-012" Shall "B" "5.1 VirMO-HLF-06" "the peripherals of a VM can be managed" by by!(device::PERIPHERALS_ARE_MANAGED);
    "DR-013" Shall "B" "5.1 VirMO-HLF-07"
        "sharing of data between VMs can be allowed and forbidden"
        by by!(device::DATA_IS_SHARED_IF_ALLOWED);
    "DR-014" Shall "B" "5.1 VirMO-HLF-08" "existing objects work for each VM" by by!(device::A_VM_IS_LOCKED);
    "DR-015" Shall "B" "5.1 VirMO-HLF-09" "a VM can be given firmware" by Proof::As("VR-031");
    "DR-016" Shall "B" "5.1 VirMO-HLF-10" "a VM can be deleted (again)" by Proof::As("VR-025");
    "DR-017" Shall "B" "5.1 VirMO-HLF-11"
        "a VM has an identifier of its own on the device" by Proof::As("VR-032");
    "DR-018" Shall "B" "5.1 VirMO-HLF-12" "a VM can be suspended" by Proof::As("VR-033");
    "DR-019" Shall "B" "5.1 VirMO-HLF-13" "a VM can be resumed" by Proof::As("VR-034");
    "DR-020" Shall "B" "5.1 VirMO-HLF-14" "a VM can be locked" by by!(device::A_DRAFT_VM_IS_LOCKED);
    "DR-021" Shall "B" "5.1 VirMO-HLF-15"
        "a VM can be unlocked" by by!(device::A_DRAFT_VM_IS_LOCKED);
    "DR-022" Shall "B" "5.1 VirMO-HLF-16"
        "the user may unlock a VM if the server allows it" by by!(device::A_DRAFT_VM_IS_LOCKED);
    "DR-023" Shall "B" "5.1 VirMO-HLF-17" "the firmware of a VM can be updated" by by!(device::FIRMWARE_OF_A_VM_IS_UPDATED);
    "DR-024" Stmt "B" "6.1-6.3" "architecture" by Proof::As("VR-040");
    "DR-025" Info "C" "6.4" "types of hypervisors" by Proof::Information;
    "DR-026" Must "C" "7.1" "a change of state is whole or not at all" by Proof::As("VR-058");
    "DR-027" Stmt "C" "7.1"
        "what failed is reversed, the state is the one before" by Proof::As("VR-059");
    "DR-028" Must "C" "7.1.1 NotCreated" "NotCreated is supported" by Proof::As("VR-062");
    "DR-029" Must "C" "7.1.3 Running" "Running is supported" by Proof::As("VR-065");
    "DR-030" Should "C" "7.1.4 Suspended" "Suspended is supported" by Proof::As("VR-071");
    "DR-031" Must "C" "7.1.5 PoweredOff" "PoweredOff is supported" by Proof::As("VR-074");
    "DR-032" Must "C" "7.1.6 Deleted" "Deleted is supported" by Proof::As("VR-077");
    "DR-033" Stmt "C" "7.1.2 Created"
        "Created is Running, Suspended and PoweredOff" by Proof::As("VR-063");
    "DR-034" MustNot "C" "7.1.4 Suspended" "nothing runs in a suspended VM" by Proof::As("VR-067");
    "DR-035" Stmt "C" "7.1.4 Suspended"
        "a suspended VM has its execution saved" by Proof::As("VR-068");
    "DR-036" Must "C" "7.1.4 Suspended"
        "what was given away is allocated again" by Proof::As("VR-070");
    "DR-037" May "C" "7.1.6 Deleted"
        "the data of a deleted VM may be destroyed" by Proof::As("VR-076");
    "DR-038" Must "C" "7.1.7" "primitives are whole or not at all" by Proof::As("VR-078");
    "DR-039" Must "C" "7.1.7 primitive Create"
        "Create: NotCreated to Running" by Proof::As("VR-079");
    "DR-040" Must "C" "7.1.7 primitive CreateAndPoweroff"
        "CreateAndPoweroff: NotCreated to PoweredOff" by Proof::As("VR-080");
    "DR-041" CondMust "C" "7.1.7 primitive Suspend"
        "Suspend: Running to Suspended" by Proof::As("VR-081");
    "DR-042" CondMust "C" "7.1.7 primitive Resume"
        "Resume: Suspended to Running" by Proof::As("VR-082");
    "DR-043" Must "C" "7.1.7 primitive Poweron"
        "Poweron: PoweredOff to Running" by Proof::As("VR-083");
    "DR-044" Must "C" "7.1.7 primitive Poweroff"
        "Poweroff: Running to PoweredOff" by Proof::As("VR-084");
    "DR-045" Must "C" "7.1.7 primitive Delete" "Delete: Created to Deleted" by Proof::As("VR-085");
    "DR-046" NodeReq "C" "8 VirMO" "node VirMO: One, node, Get" by Proof::As("VR-086");
    "DR-047" NodeReq "C" "8 VirMO/<x>"
        "node VirMO/<x>: ZeroOrMore, node, Get" by Proof::As("VR-088");
    "DR-048" NodeReq "C" "8 VirMO/<x>/VMID"
        "node VMID: One, chr, Get, No Replace" by Proof::As("VR-089");
    "DR-049" NodeReq "C" "8 VirMO/<x>/Description"
        "node Description: One, chr, Get" by Proof::As("VR-092");
    "DR-050" NodeReq "C" "8 VirMO/<x>/State"
        "node State: One, int, Get, No Replace" by Proof::As("VR-093");
    "DR-051" NodeReq "C" "8 VirMO/<x>/Operations"
        "node Operations: One, node, Get" by Proof::As("VR-124");
    "DR-052" NodeReq "C" "8 VirMO/<x>/Operations/Create"
        "node Create: One, null, Exec; leads to Running" by by!(device::NODES_OF_THE_DRAFT);
    "DR-053" NodeReq "C" "8 VirMO/<x>/Operations/CreateParams"
        "node Operations/CreateParams: One, chr, Get" by by!(device::NODES_OF_THE_DRAFT);
    "DR-054" NodeReq "C" "8 VirMO/<x>/Operations/Delete"
        "node Delete: One, null, Exec" by Proof::As("VR-128");
    "DR-055" NodeReq "C" "8 VirMO/<x>/Operations/Lock"
        "node Lock: One, null, Exec" by by!(device::NODES_OF_THE_DRAFT);
    "DR-056" NodeReq "C" "8 VirMO/<x>/Operations/Unlock"
        "node Unlock: One, null, Exec" by by!(device::NODES_OF_THE_DRAFT);
    "DR-057" NodeReq "C" "8 VirMO/<x>/Operations/PowerOn"
        "node PowerOn: One, null, Exec" by Proof::As("VR-132");
    "DR-058" NodeReq "C" "8 VirMO/<x>/Operations/PowerOff"
        "node PowerOff: One, null, Exec" by Proof::As("VR-133");
    "DR-059" NodeReq "C" "9 VMImgMO" "node VMImgMO: One, node, Get" by Proof::As("VR-147");
    "DR-060" NodeReq "C" "9 VMImgMO/<x>"
        "node VMImgMO/<x>: ZeroOrMore, node, Get" by Proof::As("VR-149");
    "DR-061" NodeReq "C" "9 VMImgMO/<x>/ImgID" "node ImgID: One, chr, Get" by Proof::As("VR-150");
    "DR-062" NodeReq "C" "9 VMImgMO/<x>/Name" "node Name: One, chr, Get" by Proof::As("VR-153");
    "DR-063" NodeReq "C" "9 VMImgMO/<x>/Description"
        "node Description: ZeroOrOne, chr, Get" by Proof::As("VR-155");
    "DR-064" NodeReq "C" "9 VMImgMO/<x>/DownloadURI"
        "node DownloadURI: One, chr, Get" by Proof::As("VR-156");
    "DR-065" NodeReq "C" "9 VMImgMO/<x>/DownloadedLocation"
        "node DownloadedLocation: ZeroOrOne, chr, Get, No Replace" by Proof::As("VR-157");
    "DR-066" NodeReq "C" "9 VMImgMO/<x>/State"
        "node State: One, int, Get, No Replace" by Proof::As("VR-160");
    "DR-067" NodeReq "C" "9 VMImgMO/<x>/MediaType"
        "node MediaType: One, chr, Get" by Proof::As("VR-163");
    "DR-068" NodeReq "C" "9 VMImgMO/<x>/Operations"
        "node Operations: One, node, Get" by Proof::As("VR-166");
    "DR-069" NodeReq "C" "9 VMImgMO/<x>/Operations/Download"
        "node Download: One, null, Get and Exec" by Proof::As("VR-167");
    "DR-070" NodeReq "C" "9 VMImgMO/<x>/Operations/Delete"
        "node Delete: One, null, Get and Exec" by Proof::As("VR-170");
    "DR-071" NodeOpt "C" "9 VMImgMO/<x>/Ext"
        "node Ext: optional, One, node, Get" by Proof::As("VR-173");
    "DR-072" Must "C" "8 VirMO" "the MOID of the object" by Proof::As("VR-087");
    "DR-073" Must "C" "8 VMID" "VMID is the client's to give" by Proof::As("VR-090");
    "DR-074" Must "C" "8 VMID" "VMID is unique in the object" by Proof::As("VR-091");
    "DR-075" Must "C" "8 State" "State is the client's to set" by Proof::As("VR-094");
    "DR-076" Must "C" "8 State" "State is 0 to 4" by Proof::As("VR-095");
    "DR-077" Must "C" "8 Operations/Create"
        "a created VM is Running (without Running=false)" by Proof::As("VR-106");
    "DR-078" Must "B" "8 CreateParams" "CreateParams are key=value pairs" by Proof::As("VR-097");
    "DR-079" Must "B" "8 CreateParams" "joined by ampersands" by Proof::As("VR-098");
    "DR-080" May "B" "8 CreateParams" "with keys of vendors, if need be" by Proof::As("VR-099");
    "DR-081" Must "B" "8 CreateParams" "both ends know ImgID and Running" by Proof::As("VR-100");
    "DR-082" Param "B" "8 CreateParams ImgID" "ImgID comes once" by Proof::As("VR-101");
    "DR-083" Must "B" "8 CreateParams ImgID"
        "ImgID is that of an image there" by Proof::As("VR-102");
    "DR-084" Param "B" "8 CreateParams Running"
        "Running comes once or not at all" by Proof::As("VR-103");
    "DR-085" Must "C" "8 CreateParams Running"
        "Running=true leads to Running" by Proof::As("VR-104");
    "DR-086" Must "C" "8 CreateParams Running"
        "Running=false leads to PoweredOff" by Proof::As("VR-105");
    "DR-087" Must "C" "8 CreateParams Running" "Running is true by default" by Proof::As("VR-106");
    "DR-088" Stmt "C" "8 Operations/Delete"
        "only what was created is deleted" by Proof::As("VR-129");
    "DR-089" Must "C" "9 VMImgMO" "the MOID of the object" by Proof::As("VR-148");
    "DR-090" Must "C" "9 ImgID" "ImgID is the client's to give" by Proof::As("VR-151");
    "DR-091" Must "C" "9 ImgID" "ImgID is unique in the object" by Proof::As("VR-152");
    "DR-092" Must "S" "9 Name" "Name is the server's to set" by Proof::As("VR-154");
    "DR-093" Stmt "B" "9 DownloadedLocation"
        "DownloadedLocation holds while State is 2" by Proof::As("VR-158");
    "DR-094" Must "C" "9 DownloadedLocation"
        "DownloadedLocation is the client's to set" by Proof::As("VR-159");
    "DR-095" Must "C" "9 State" "State is the client's to set" by Proof::As("VR-161");
    "DR-096" Must "C" "9 State" "State is 0 to 3" by Proof::As("VR-162");
    "DR-097" Must "B" "9 MediaType" "MediaType is a media type" by Proof::As("VR-164");
    "DR-098" Must "S" "9 MediaType" "MediaType is the server's to set" by Proof::As("VR-165");
    "DR-099" Must "C" "9 Operations/Download"
        "once downloaded, DownloadedLocation is set" by Proof::As("VR-168");
    "DR-100" Must "C" "9 Operations/Download"
        "once downloaded, the alert is sent" by Proof::As("VR-169");
    "DR-101" Must "C" "9 Operations/Delete"
        "a whole or partial image is deleted" by Proof::As("VR-171");
    "DR-102" Must "C" "9 Operations/Delete"
        "the nodes of the image are deleted" by Proof::As("VR-172");
    "DR-103" Step "S" "10.1 step 1"
        "the server asks for nodes below VMImgMO" by Proof::As("VR-174");
    "DR-104" Step "C" "10.1 step 2" "the client makes them" by Proof::As("VR-175");
    "DR-105" Must "C" "10.1 step 2" "the client sets ImgID" by Proof::As("VR-176");
    "DR-106" Must "C" "10.1 step 2" "State begins at 0" by Proof::As("VR-177");
    "DR-107" Must "S" "10.1 step 3"
        "the server sets Name, MediaType, DownloadURI" by Proof::As("VR-179");
    "DR-108" Step "S" "10.1 step 3" "then it sends Exec to Download" by Proof::As("VR-180");
    "DR-109" Step "C" "10.2 step 4" "the client downloads from DownloadURI" by Proof::As("VR-181");
    "DR-110" Must "C" "10.2 step 4" "State follows the download" by Proof::As("VR-183");
    "DR-111" Must "C" "10.2 step 4"
        "once downloaded, DownloadedLocation is set" by Proof::As("VR-184");
    "DR-112" Step "C" "10.2 step 4" "the Exec is answered now or later" by Proof::As("VR-186");
    "DR-113" Step "S" "10.3 step 1" "the server asks for nodes below VirMO" by Proof::As("VR-187");
    "DR-114" Step "C" "10.3 step 2" "the client makes them" by Proof::As("VR-188");
    "DR-115" Must "C" "10.3 step 2" "the client gives VMID" by Proof::As("VR-189");
    "DR-116" Must "C" "10.3 step 2" "State begins at 0" by Proof::As("VR-190");
    "DR-117" Must "S" "10.3 step 3" "the server sets CreateParams" by Proof::As("VR-192");
    "DR-118" Step "S" "10.3 step 3" "then it sends Exec to Create" by Proof::As("VR-193");
    "DR-119" Step "C" "10.3 step 4"
        "the client makes the VM of CreateParams" by Proof::As("VR-194");
    "DR-120" Must "C" "10.3 step 4" "the client updates State" by Proof::As("VR-195");
    "DR-121" Step "C" "10.3 step 4" "the Exec is answered now or later" by Proof::As("VR-196");
    "DR-122" Step "S" "10.4 step 1" "the server sends Exec to Delete" by Proof::As("VR-198");
    "DR-123" Must "C" "10.4 step 2" "the client deletes the VM" by Proof::As("VR-199");
    "DR-124" Must "C" "10.4 step 2" "the client deletes its nodes" by Proof::As("VR-200");
    "DR-125" Info "D" "11 Release information"
        "release information, a template" by Proof::Information;
    "DR-126" Info "B" "App. B" "use cases" by Proof::Information;
    "DR-127" Info "D" "App. C" "conformance tables, a template" by Proof::Information;
    "DR-128" Info "D" "App. D" "a template" by Proof::Information;
}
