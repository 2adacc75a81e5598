"""The figures the checks compare with. The policy file may set each of them; these are the defaults.

Where a figure was measured, the material is 22 genuine device files (iPhones, GoPros, AVCHD, AVI compacts, old phones)
and 50 manipulations of them: a start, not a law. A device profile learned from a bureau's own cameras should win.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds unless the name says otherwise; `…_medians` multiply the median interval of the stream."""

    # Pictures apart. The largest genuine interval beside first and last: 0.11 s on a phone that records at 30 a second.
    video_gap: float = 0.5
    video_gap_medians: float = 5.0
    video_gap_suspicion: float = 0.15
    video_gap_suspicion_medians: float = 3.5
    # Sound apart. Genuine: an extra 14 ms once, at the first packet of a phone.
    audio_gap_suspicion: float = 0.04
    audio_gap_suspicion_packets: float = 0.9  # missing, in packets, beside the packet itself
    # Timestamps that run backwards in file order. Below this a muxer's rounding could do it.
    backwards: float = 0.5
    # Sound and picture that begin or end apart. Genuine ends: at most 0.27 s.
    av_start: float = 0.3
    av_end: float = 0.35
    # Edit lists. Genuine: video 0.002 s, sound 0.048 s (the encoder's priming), tail 0.057 s; real trims 0.46–6.1 s.
    hidden_head: float = 0.2
    hidden_tail: float = 0.2
    # Declared durations against each other and against the packets: genuine files agree within one packet.
    duration_mismatch: float = 0.5
    # Dates. tkhd and mdhd are written with mvhd in one go; tools that redate a file move mvhd only.
    track_date: float = 1.0
    modified_later: float = 60.0  # modification after creation plus duration
    # Apple writes the moment twice (Keys:CreationDate and mvhd): 0 s on 5 of 5 originals, 13 s to 67 days on exports.
    apple_date: float = 30.0
    apple_date_suspicion: float = 5.0
    # Names and headers are dated by one clock; a camera takes a second or two from one to the other.
    name_date: float = 30.0
    # Header begun and ended within less than so large a share of the duration, both beyond so many seconds.
    written_share: float = 0.9
    written_least: float = 3.0
    # GoPro time code against the header: genuine files differ by 57 to 69 s.
    timecode: float = 120.0
    # Telemetry against footage: a genuine receiver stepped by 1.5 to 2.5 s when it found its satellites.
    telemetry_drift: float = 3.0
    # The device's clock against a satellite receiver's: cameras drift by seconds a day.
    clock_offset: float = 120.0
    # The encoder's counters. A cut breaks them in a place or two, an encoder that does not keep them everywhere: beyond
    # so many breaks, and so large a part of the pictures, they prove nothing. Genuine: 0 breaks.
    few_breaks: int = 3
    few_breaks_share: float = 0.02
    order_steps: int = 8  # from picture to picture, before a picture count is believed
    # The account of the decoder's buffer, and clocks in the stream: believed after so many statements; so large
    # a part may be off. A GoPro of 2016 keeps its account within 0.00001 s; clocks tell whole seconds.
    buffer_steps: int = 6
    buffer_breaks: float = 0.1
    stream_clock: float = 1.1
    # The first key picture's quantiser against the next one's. Real cameras: 0 and 21 (of 51 steps).
    start_keys: int = 8
    start_jump: int = 4
    # Signs of a joint that meet: seconds apart. Picture and sound are cut at their own frames.
    joint: float = 0.35
    # Group-of-pictures pattern: strict when so many whole groups are there and so large a part of them keeps to it (one
    # or two may always break it).
    gop_groups: int = 8
    gop_breaks: int = 2
    gop_equal: float = 0.9
    # idr_pic_id pattern: established after so many steps, so large a part of which follow it.
    idr_steps: int = 6
    idr_equal: float = 0.8
    idr_breaks: float = 0.1  # of the steps: more are a suspicion only
    # Segments: names and clocks round to a second. GA/T 947.2 is cited with 0.04 s (not verified): per camera.
    segment_gap: float = 3.0
    segment_gap_suspicion: float = 1.0
    # A shift of the grid that frames keep, in frame times. A phone's pictures came up to 0.05 late for good.
    grid_shift_video: float = 0.1
    grid_shift_audio: float = 0.05
    # Bytes of the data that no sample refers to: less is alignment.
    unreferenced_bytes: int = 512
    # Broadcast Wave: samples since midnight against the time of origin, which rounds to a second.
    time_reference: float = 3.0
    # The clocks of a transport stream. They must come every 0.1 s (H.222.0 2.7.2); a broadcast once stepped back 27 ms.
    clock_step: float = 0.5
    clock_step_medians: float = 5.0
    clock_back: float = 0.1
    # Times that were signed with the pictures against the container's: signers stamp whole groups, not pictures.
    signed_time: float = 3.0
    signed_time_share: float = 0.1
    # Photos: changed after they were taken (EXIF ModifyDate − DateTimeOriginal).
    photo_modified: float = 5.0
    # iPhone run time against the dates of two photos: 1 ms in 23 photos; dates without fractions round to a second.
    photo_run_time: float = 2.0
    # Decoded pictures and sound (--deep). Breaks in the picture are given by how many times they exceed the greatest
    # near them: without cuts at most 1.54 in 35 real clips; with a break in the sound at the same moment less will do.
    picture_break: float = 1.8
    picture_break_with_sound: float = 1.45
    frozen: float = 1.0
    blank: float = 0.4
    silence: float = 0.2
    loop: float = 1.0
    # Last picture of a segment against the first of the next: median step beside them above which the camera moves too
    # fast to tell; likeness below which it is another place; and the step, of the usual one and beyond it in luma.
    seam_motion: float = 4.0
    seam_likeness: float = 0.5
    seam_steps: float = 6.0
    seam_luma: float = 8.0
    # The burned-in clock: what it must at least jump by; its date against the container's, beyond time zones.
    clock_jump: float = 0.4
    clock_date: float = 120.0
    # Samples that an Ogg page counts beyond those that came: a packet or two, where they are counted by a clock.
    position_leap: float = 0.1
    # A hole in photo numbers up to this many photos is one series with photos missing; beyond, perhaps two occasions.
    photo_hole: int = 100
