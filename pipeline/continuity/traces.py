"""Programs that sign what they write, as a table: what their names look like, and what kind of program each is.

A row needs a name that the program itself leaves in a file; names that people give to files are in `NAMES`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """`pattern` is searched without regard to case in the texts with which programs sign."""

    pattern: str
    kind: str  # editor, transcoder, sharing
    name: str


# Libraries that write most re-encoded files. Some cameras and recorders are built on them.
LIBAV = re.compile(r"\b(Lav[fc]\d*|x26[45]\b|libx26[45]|FFmpeg|libav|LAME ?\d)", re.IGNORECASE)

_EDITORS = {
    "Adobe": r"adobe|premiere|photoshop|lightroom|after effects|mainconcept",
    "Apple": r"final cut|imovie|proapps|quicktime (?:pro|player)|\bcompressor 4",
    "剪映 CapCut": r"capcut|jianying|剪映|\bvicut\b|com\.lveditor|lveditor|\"product\"\s*:\s*\"(?:lv|vicut|retouch)\"",
    "快影、必剪、爱剪辑": r"快影|kwaiying|必剪|\bbcut\b|爱剪辑|快剪辑|会声会影|videostudio|美图|meitu|美颜相机|醒图|"
    r"小影|vivavideo",
    "Microsoft": r"windows photo|microsoft photo|photo viewer|movie maker|clipchamp|windows video editor",
    "Blackmagic": r"davinci|blackmagic design da",
    "Sony Vegas, Magix": r"\bvegas\b|magix",
    "EDIUS": r"\bedius\b|grass valley",
    "Avid": r"media composer|avid technology",
    "Wondershare": r"filmora|wondershare",
    "Telephone editors": r"inshot|kinemaster|lumafusion|powerdirector|cyberlink|splice video|vllo|videoleap|youcut",
    "Desktop editors": r"shotcut|kdenlive|openshot|\bmelt\b|camtasia|movavi|virtualdub|avidemux|avisynth|videopad|"
    r"pinnacle|ulead|corel|arcsoft|olive video|flowblade|lightworks|losslesscut|bandicut|solveigmm|boilsoft|avs video",
    "Sound editors": r"audacity|adobe audition|goldwave|cool edit|wavelab|\breaper\b|pro tools|sound forge|ocenaudio|"
    r"wavosaur",
    "Picture editors": r"photo editor|picasa|\bgimp\b|paint\.net|snapseed|acdsee|xnview|irfanview|photoscape|"
    r"capture one|affinity photo|pixelmator|polarr|faststone|光影魔术手|imagemagick|graphicsmagick",
}
_TRANSCODERS = {
    "HandBrake": r"handbrake",
    "GPAC": r"\bgpac\b|mp4box",
    "MKVToolNix": r"mkvmerge|mkvtoolnix|libmatroska|libebml",
    "L-SMASH": r"l-smash",
    "Bento4": r"bento4",
    "格式工厂": r"format ?factory|格式工厂",
    "其他": r"mencoder|\bvlc\b|shaka-packager|xilisoft|xmedia recode|freemake|小丸|maruko|codeshop|elemental|zencoder|"
    r"mp4creator|mp4v2|mpeg streamclip",
}
_SHARING = {
    "YouTube": r"produced by google",
    "Twitter/X": r"twitter-vork",
    "Vimeo": r"vimeo artax",
    "抖音 TikTok": r"^vid:v[0-9a-z]{16,}|douyin|tiktok|aigc_label_type",
    "微信 WeChat": r"\bwechat\b|\bweixin\b|微信|com\.tencent\.(?:mm|xin)",
    "QQ": r"com\.tencent\.(?:qq|mobileqq)",
    "WhatsApp": r"whatsapp",
    "快手 Kwai": r"kuaishou|\bkwai\b",
}
PROGRAMS = tuple(
    Program(pattern, kind, name)
    for kind, table in (("editor", _EDITORS), ("transcoder", _TRANSCODERS), ("sharing", _SHARING))
    for name, pattern in table.items()
)

# File names under which programs that recode or strip what passes through them save it.
NAMES = {
    "微信 WeChat": r"mmexport\d{13}.*|wx_camera_\d{13}.*|wechat_\d{14,17}.*|微信(?:图片|视频)_?\d+.*|wechatimg\d+|"
    r"wxcam_\d+.*",
    "QQ": r"qq(?:图片|视频|空间视频)_?\d*.*",
    "WhatsApp": r"(?:vid|img|aud|ptt)-\d{8}-wa\d{4}.*|whatsapp (?:video|image|audio).*",
    "剪映 CapCut": r"lv_0_\d{14}|lv_\d{10,}_\d{14}",
    "截屏 screen capture": r"(?:svid|screen[-_ ]?record(?:er|ing)?|screenshot|录屏|屏幕录制|截屏|屏幕截图|"
    r"rpreplay_final)[-_ ]?.*",
}

# Tags in which programs sign; never free text such as a title.
SIGNED = re.compile(
    r"encoder|software|writingapp|muxingapp|creatortool|processingsoftware|handlerdescription|handlervendorid|"
    r"compressorname|encoded_?by|encodingsettings|historysoftwareagent|creatorapplication|comment|originator|"
    r"encodingapplication|encodertool|artist_?tool",
    re.IGNORECASE,
)


def program(text: str) -> Program | None:
    """The program of the table that signed with `text`."""
    return next((each for each in PROGRAMS if re.search(each.pattern, text, re.IGNORECASE)), None)


def passed_through(stem: str) -> str:
    """The program under whose kind of name a file is saved, "" for other names. `stem`: without folder and suffix."""
    return next((name for name, form in NAMES.items() if re.fullmatch(form, stem, re.IGNORECASE)), "")
