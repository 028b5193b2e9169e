"""Files of words in every form, as the programs that make them write them: what is said in them is made up here."""

from __future__ import annotations

import json

VTT = """\
\ufeffWEBVTT - an interview
Language: en-GB

STYLE
::cue { color: peachpuff }

NOTE Anna joined late.
00:00:00.000 --> 00:00:09.000 is no cue here

intro
00:01.000 --> 00:02.500 align:start position:0% line:-1
<v Anna>Hi &amp; welcome,
<i>everyone</i>

00:00:02.000 --> 00:00:04.250
<v.loud Bob>Thanks.</v> <v Anna>Sit &lt;down&gt;!

01:00:00.000 --> 01:00:03.000
- one <01:00:01.000><c>two</c> <01:00:02.500>three
"""

SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>Hi</i> there,
a < b

2
00:00:02,000 --> 00:00:04,250 X1:40 X2:600
{\\an8}[SPEAKER_01]: Still talking

3
0:00:05,5 --> 0:00:06,75
A line

and one after a blank
"""

WHISPER = {
    "text": " Hello there. Fine.",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.5, "text": " Hello there.", "tokens": [50364, 2425], "avg_logprob": -0.2},
        {"id": 1, "seek": 0, "start": 1.5, "end": 2.0, "text": " Fine.", "tokens": [2], "avg_logprob": -0.1},
    ],
    "language": "en",
}
WHISPER_WORDS = {
    "text": " Hello there. Fine.",
    "segments": [
        {
            "start": 0.0,
            "end": 1.5,
            "text": " Hello there.",
            "words": [
                {"word": " Hello", "start": 0.0, "end": 0.5, "probability": 0.91},
                {"word": " there.", "start": 0.5, "end": 1.5, "probability": 0.8},
            ],
        },
        {"start": 1.5, "end": 2.0, "text": " Fine.", "words": []},
    ],
    "language": "en",
}
WHISPERX = {
    "segments": [
        {
            "start": 0.1,
            "end": 2.0,
            "text": " In 2014 yes",
            "speaker": "SPEAKER_00",
            "words": [
                {"word": "In", "start": 0.1, "end": 0.3, "score": 0.9, "speaker": "SPEAKER_00"},
                {"word": "2014"},
                {"word": "yes", "start": 1.1, "end": 2.0, "score": 0.7, "speaker": "SPEAKER_01"},
            ],
        }
    ],
    "word_segments": [{"word": "In", "start": 0.1, "end": 0.3, "score": 0.9}],
    "language": "en",
}

TEXTGRID = """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "Anna"
        xmin = 0
        xmax = 3.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.25
            text = "She said ""no"", 5 < 6! <exists>"
        intervals [2]:
            xmin = 1.25
            xmax = 2
            text = ""
        intervals [3]:
            xmin = 2
            xmax = 3.5
            text = "two
lines"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 3.5
        points: size = 1
        points [1]:
            number = 1.5
            mark = "x"
    item [3]:
        class = "IntervalTier"
        name = "Bob"
        xmin = 0
        xmax = 3.5
        intervals: size = 1
        intervals [1]:
            xmin = 1
            xmax = 3
            text = "Mhm"
"""
TEXTGRID_SHORT = """\
File type = "ooTextFile short"
"TextGrid"

0
3.5
<exists>
3
"IntervalTier"
"Anna"
0
3.5
3
0
1.25
"She said ""no"", 5 < 6! <exists>"
1.25
2
""
2
3.5
"two
lines"
"TextTier"
"clicks"
0
3.5
1
1.5
"x"
"IntervalTier"
"Bob"
0
3.5
1
1
3
"Mhm"
"""

RTTM = """\
;; made by hand
SPKR-INFO call 1 <NA> <NA> <NA> unknown Anna <NA> <NA>
SPEAKER call 1 0.50 1.25 <NA> <NA> Anna 0.75 <NA>
SPEAKER call 1 1.5 2.000 <NA> <NA> Bob <NA> <NA>
"""

#: By form: some bytes of it.
FILES: dict[str, bytes] = {
    "vtt": VTT.encode(),
    "srt": SRT.encode(),
    "whisper": json.dumps(WHISPER).encode(),
    "whisper with words": json.dumps(WHISPER_WORDS).encode(),
    "whisperx": json.dumps(WHISPERX).encode(),
    "textgrid": TEXTGRID.encode(),
    "textgrid short": TEXTGRID_SHORT.encode(),
    "rttm": RTTM.encode(),
}
