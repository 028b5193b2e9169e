"""Answers are known again in whatever form and order they come; nobody is merged with anybody."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import json
import random
import zipfile
from collections import Counter
from collections.abc import Sequence

import hypothesis
import pytest
from hypothesis import strategies as st
from made_jobs import Made, made_job, zipped_files
from saved_jobs import SavedJob

from humeanalytics.jobs.answers import saved_scoring_ids
from humeanalytics.jobs.sameness import Recognised, Sameness, jobs_of, namespace_of, platform_job
from humeanalytics.jobs.saved_work import Payload
from humeanalytics.tables.keys import saved_recording_id
from humeanalytics.tables.saved import saved_parts

Form = tuple[str, bytes]
JOB = "8c5f6b8e-1f3a-4a6e-9b0e-0123456789ab"
OTHER_JOB = "8c5f6b8e-1f3a-4a6e-9b0e-ba9876543210"


@functools.lru_cache(maxsize=100)
def payloads(form: Form) -> list[Payload]:
    """Read what is in a file as an ingest does, without a lake."""
    name, data = form
    found = []
    for part in saved_parts(io.BytesIO(data), name=name):
        uri = f"{name}!/{part.member}" if part.member else name
        with part.open() as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        flattened = part.flatten()
        payload = Payload(uri, "predictions", namespace_of(uri, flattened.job_id, digest), digest)
        recording_ids = [saved_recording_id(answer, payload.namespace) for answer in flattened.answers]
        payload.add(flattened, recording_ids, saved_scoring_ids(flattened.answers, recording_ids))
        found.append(payload)
    return found


def meet(sameness: Sameness, *forms: Form) -> list[Recognised]:
    return [sameness.recognise(payload) for form in forms for payload in payloads(form)]


def new_rows(*forms: Form, ties: Sequence[tuple[str, str]] = ()) -> Counter[str]:
    """Return how many rows are new of some files met one after the other, by model."""
    sameness, rows = Sameness(ties), Counter[str]()
    for payload in (payload for form in forms for payload in payloads(form)):
        for answer, known in zip(payload.answers, sameness.recognise(payload).known, strict=True):
            rows[answer.model] += answer.rows if known is None else 0
    return +rows


def forms_of(job: SavedJob, name: str = "job") -> list[Form]:
    return [
        (f"/data/{name}.json", job.predictions),
        (f"/data/{name} artifacts.zip", job.artifacts),
        (f"/data/HumeAI_predictions_{job.job_id}.json", job.platform()),
        (f"/data/{name} hook.json", job.webhook()),
        (f"/data/{name} pretty.json", json.dumps(job.payload, indent=1).encode()),
    ]


# ---------------------------------------------------------------------------------------------------------------- any order
names = st.sampled_from(["a.wav", "b.wav", "day 1/a.wav", "ü.wav"])
members = st.builds(
    lambda name, content, archive: Made(name, content, rows=content % 4, archive=archive),
    names,
    st.integers(0, 9),
    st.sampled_from([None, None, "all.zip", "more.zip"]),
)
texts = st.lists(st.sampled_from(["No.", "Yes.", "It rained in London."]), max_size=4)


def once(files: Sequence[Made], said: Sequence[str], models: Sequence[str]) -> Counter[str]:
    """Return how many rows a job has, each recording's once: the same bytes give the same rows, texts belong to people."""
    rows = sum(made.rows for made in {made.content: made for made in files}.values())
    return +Counter(dict.fromkeys(models, rows) | {"language": len(said)})


@hypothesis.given(st.lists(members, max_size=4), texts, st.randoms(use_true_random=False))
@hypothesis.settings(max_examples=60)
def test_any_order_of_forms_gives_each_row_once(files: list[Made], said: list[str], rng: random.Random) -> None:
    hypothesis.assume(files or said)
    hypothesis.assume(len({made.content for made in files}) == len(files))
    hypothesis.assume(len({(made.archive, made.name) for made in files}) == len(files))
    silent = [made.content for made in files if not made.rows]
    hypothesis.assume(len(set(silent)) == len(silent))  # a name is all that tells of them, and the same bytes have two
    models = rng.choice([("prosody",), ("burst", "face"), ("face",)])
    job = made_job(*files, texts=said, models=models)
    forms = forms_of(job)
    rng.shuffle(forms)
    assert new_rows(*forms) == once(files, said, models)
    assert new_rows(*forms, *forms) == once(files, said, models)


@hypothesis.given(
    st.lists(st.tuples(st.lists(members, max_size=2), texts), min_size=2, max_size=3), st.randoms(use_true_random=False)
)
@hypothesis.settings(max_examples=40)
def test_jobs_beside_each_other_keep_their_texts(said: list[tuple[list[Made], list[str]]], rng: random.Random) -> None:
    """Forms of several jobs that tell their jobs: recordings of equal bytes are one, texts stay with their job."""
    jobs = []
    for number, (files, words) in enumerate(said):
        hypothesis.assume(files or words)
        hypothesis.assume(len({(made.archive, made.name) for made in files}) == len(files))
        hypothesis.assume(len({made.content for made in files}) == len(files))
        job_id = f"{number:08d}-1f3a-4a6e-9b0e-0123456789ab"
        jobs.append(made_job(*files, texts=words, models=("prosody",), job_id=job_id))
    forms = [form for job in jobs for form in forms_of(job)[2:4]]
    rng.shuffle(forms)
    every = [made for files, _ in said for made in files]
    assert new_rows(*forms) == once(every, [word for _, words in said for word in words], ("prosody",))


def test_two_files_of_one_answer_stay_two_though_their_rows_are_the_same() -> None:
    """Who put one picture into an archive twice sees it twice: nothing in the answer says that the two are one."""
    job = made_job(Made("a.wav", 3, rows=3, archive="all.zip"), Made("b.wav", 3, rows=3, archive="all.zip"))
    for forms in itertools.permutations(forms_of(job)):
        assert new_rows(*forms) == +job.rows()


def test_members_of_one_name_in_two_archives_stay_two() -> None:
    job = made_job(Made("x.wav", 1, archive="mon.zip"), Made("x.wav", 2, archive="tue.zip"))
    for forms in itertools.permutations(forms_of(job)[:3]):
        sameness = Sameness()
        ties = [tie for recognised in meet(sameness, *forms) for tie in recognised.ties]
        mon, tue = (sameness.canonical(payloads(forms_of(job)[0])[0].recording_ids[2 * i]) for i in range(2))
        assert mon != tue
        assert len(ties) == 4  # each of two members in each of the two forms that came later
        assert new_rows(*forms) == job.rows()


# ------------------------------------------------------------------------------------------------------- who is not merged
def test_recordings_with_md5_sums_that_differ_are_never_tied_whatever_comes_between() -> None:
    one, other = (made_job(Made("a.wav", 1, md5=digit * 32)) for digit in "ab")
    forms = [("/one.json", one.predictions), ("/other.json", other.predictions), *forms_of(one)[1:3]]
    for order in itertools.permutations(forms):
        sameness = Sameness()
        meet(sameness, *order)
        assert sameness.canonical(f"md5:{'a' * 32}") != sameness.canonical(f"md5:{'b' * 32}")
        assert new_rows(*order) == one.rows() + other.rows()


def test_a_name_says_nothing_of_recordings_that_have_rows() -> None:
    job, other = made_job(Made("interview.wav", 1)), made_job(Made("interview.wav", 2))
    for order in itertools.permutations([*forms_of(job)[:2], *forms_of(other, "other")[:2]]):
        assert new_rows(*order) == job.rows() + other.rows()


@pytest.mark.parametrize("said", [["No."], ["No.", "Yes."], ["No.", "No."]])
def test_texts_of_jobs_that_are_known_to_differ_are_never_merged(said: list[str]) -> None:
    one, other = (made_job(texts=said, job_id=job_id) for job_id in (JOB, OTHER_JOB))
    told = [(f"/{job.job_id}/predictions.json", job.predictions + b"\n" * n) for n, job in enumerate((one, other))]
    hooks = [("/a.json", one.webhook()), ("/b.json", other.webhook())]
    downloads = [(f"/HumeAI_predictions_{job.job_id}.json", job.platform()) for job in (one, other)]
    for forms in (told, hooks, downloads, [told[0], hooks[1]], [hooks[0], downloads[1]]):
        for order in itertools.permutations(forms):
            assert new_rows(*order) == one.rows() + other.rows()


@pytest.mark.parametrize(
    ("said", "also_said"),
    [
        (["No."], ["No.", "Yes."]),
        (["No.", "Yes."], ["Yes.", "No."]),
        (["No.", "No."], ["No."]),
        (["No.", "Yes.", "Maybe."], ["No.", "Yes.", "Perhaps."]),
    ],
)
def test_texts_of_jobs_that_differ_anywhere_are_never_merged(said: list[str], also_said: list[str]) -> None:
    one, other = made_job(texts=said), made_job(texts=also_said)
    forms = [("/a.json", one.predictions), ("/b.json", other.predictions), ("/a.zip", one.artifacts), ("/b.zip", other.artifacts)]
    for order in itertools.permutations(forms):
        assert new_rows(*order) == one.rows() + other.rows()


def test_texts_beside_a_recording_that_another_job_has_too_stay_with_their_job() -> None:
    recording = Made("a.wav", 1)
    plain, with_text, other = made_job(recording), made_job(recording, texts=["No."]), made_job(texts=["No."])
    forms = [("/plain.json", plain.predictions), ("/with.json", with_text.predictions), ("/other.json", other.predictions)]
    for order in itertools.permutations(forms):
        assert new_rows(*order) == with_text.rows() + other.rows()


def test_copies_of_a_file_are_known_under_any_name() -> None:
    job = made_job(texts=["No.", "Yes."])
    first, copy = meet(Sameness(), ("/a.json", job.predictions), ("/backup/b.json", job.predictions))
    assert first.known == [None, None]
    assert None not in copy.known
    assert not copy.ties  # they have the same ids from the beginning


def test_texts_that_were_uploaded_as_files_are_known_in_any_order() -> None:
    """The same text in two files is one recording where md5 sums tell so, and two where only names are told."""
    said = {"p01.txt": "No.", "p02.txt": "Yes.", "p07.txt": "No."}
    job = made_job(texts=list(said.values()))
    [source] = job.payload
    sources = []
    for (name, text), prediction in zip(said.items(), source["results"]["predictions"], strict=True):
        prediction["file"] = name
        described = {
            "type": "file",
            "filename": name,
            "content_type": "text/plain",
            "md5sum": hashlib.md5(text.encode()).hexdigest(),
        }
        sources.append({"source": described, "results": {"predictions": [prediction], "errors": []}})
    csvs = dict(zip_members(job.artifacts))
    csvs = {
        f"file-{i}-{name}/csv/{name}/language.csv": csvs[f"text-0-text/csv/{i + 1}/language.csv"] for i, name in enumerate(said)
    }
    json_form, zip_form = ("/p.json", json.dumps(sources).encode()), ("/p.zip", zipped_files(csvs))
    assert new_rows(json_form, zip_form) == {"language": 2}
    sameness = Sameness()
    meet(sameness, zip_form, json_form)
    [from_zip], [from_json] = payloads(zip_form), payloads(json_form)
    pairs = zip(from_json.answers, from_json.recording_ids, strict=True)
    by_name = {answer.file: recording_id for answer, recording_id in pairs}
    for answer, recording_id in zip(from_zip.answers, from_zip.recording_ids, strict=True):
        assert sameness.canonical(recording_id) == by_name[answer.file]


def zip_members(data: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


# ------------------------------------------------------------------------------------------------------------ silent files
def test_a_silent_file_goes_with_the_job_that_its_neighbours_are_of() -> None:
    job = made_job(Made("a.wav", 1), Made("silent.wav", 2, rows=0))
    sameness = Sameness()
    meet(sameness, *forms_of(job)[:2])
    [from_zip] = payloads(forms_of(job)[1])
    silent = {each for answer, each in zip(from_zip.answers, from_zip.recording_ids, strict=True) if answer.file == "silent.wav"}
    assert {sameness.canonical(each) for each in silent} == {f"md5:{Made('silent.wav', 2).md5sum}"}


def test_silent_files_are_not_merged_where_a_name_is_not_enough() -> None:
    quiet = [Made("quiet.wav", 2, rows=0), Made("quiet.wav", 3, rows=0)]
    job = made_job(Made("a.wav", 1), *quiet)
    for order in itertools.permutations(forms_of(job)[:2]):
        sameness = Sameness()
        meet(sameness, *order)
        ids = {sameness.canonical(each) for form in order for payload in payloads(form) for each in payload.recording_ids}
        assert {f"md5:{made.md5sum}" for made in quiet} <= ids
    alone = made_job(Made("quiet.wav", 2, rows=0))
    assert not [tie for recognised in meet(Sameness(), *forms_of(alone)) for tie in recognised.ties]


# ------------------------------------------------------------------------------------------------------------------ ids, ties
def test_the_id_that_tells_most_stands_for_all() -> None:
    digest, md5, name, url = "0" * 64, f"md5:{'a' * 32}", "name:job/a.wav", "url:1"
    for ties in itertools.permutations([(name, md5), (md5, digest), (name, "name:job/b.wav"), (url, digest)]):
        sameness = Sameness(ties)
        assert {sameness.canonical(each) for each in (digest, md5, name, url, "name:job/b.wav")} == {digest}
        assert sameness.same_as([name]) == {digest, md5, name, url, "name:job/b.wav"}
        assert sameness.tied_ids() == sameness.same_as([md5])
        assert sameness.canonical("name:x/y") == "name:x/y"


def test_what_was_tied_before_counts() -> None:
    job = made_job(Made("a.wav", 1))
    form = forms_of(job)[0]
    [payload] = payloads(form)
    sameness = Sameness([(payload.recording_ids[0], "0" * 64)])
    [first] = meet(sameness, form)
    [again] = meet(sameness, forms_of(job)[1])
    assert first.known == [None, None]
    assert None not in again.known
    assert {more for _, more in again.ties} == {"0" * 64}


def test_many_silent_and_equal_answers_are_recognised_in_no_time() -> None:
    """A folder of 3,000 one-text jobs in which everybody said the same takes seconds, not minutes."""
    sameness = Sameness()
    [form] = payloads(("/a.json", made_job(texts=["No."]).predictions))
    for number in range(3000):
        namespace = f"{number:08d}-1f3a-4a6e-9b0e-0123456789ab"
        payload = Payload("/a.json", "predictions", namespace, namespace, job_id=namespace)
        payload.answers, payload.is_timed, payload.is_long = form.answers, form.is_timed, form.is_long
        payload.recording_ids = [f"name:{namespace}/1"]
        payload.scoring_ids = saved_scoring_ids(payload.answers, payload.recording_ids)
        assert sameness.recognise(payload).known == [None]


def test_ids_of_jobs_in_paths() -> None:
    assert jobs_of(f"/data/{JOB}/HumeAI_predictions_{OTHER_JOB}.json", None) == {JOB, OTHER_JOB}
    assert jobs_of("/data/a.json", JOB.upper()) == {JOB}
    assert platform_job(f"/data/x.zip!/HumeAI_predictions_{JOB.upper()} (1).json") == JOB
    assert platform_job(f"/data/{JOB}/a.json") is platform_job(f"/data/{JOB}.json") is None
    digest = hashlib.sha256(b"No.").hexdigest()
    assert namespace_of("/a.json", JOB, digest) == namespace_of(f"/HumeAI_predictions_{JOB}.json", None, digest) == JOB
    assert namespace_of("/a.json", None, digest) == namespace_of(f"/{JOB}/b.json", None, digest) == digest[:32]
    named = {namespace_of(f"/{name}.json", None, digest) for name in ("a", JOB, OTHER_JOB)}
    assert len(named) == 3
