"""Names of images, systems and releases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Usage
from vml_jupyter.model import Release
from vml_jupyter.release import format_release, parse_bootloader, parse_image_name, parse_release, parse_tag
from vml_jupyter.release.names import (
    EXTENSIONS,
    ImageName,
    bootloader_key,
    flavours,
    system_key,
)

numbers = st.integers(0, 9999)
bootloaders = st.builds("{:04d}.{:02d}-{}".format, numbers, st.integers(1, 12), st.integers(0, 99))
systems = st.builds("{}.{}.{}.{}".format, numbers, numbers, numbers, numbers)
words = st.sampled_from(["v4prod", "v3testing", "mini", "slc5", "boinc-ia32"])


@given(
    image=st.builds(
        ImageName,
        flavour=words,
        bootloader=bootloaders,
        architecture=st.sampled_from(["x86_64", "aarch64"]),
        extension=st.sampled_from(EXTENSIONS),
    )
)
def test_an_image_name_is_read_back(image: ImageName) -> None:
    assert parse_image_name(image.file) == image


@given(release=st.builds(Release, system=systems, bootloader=bootloaders, flavour=words))
def test_a_release_is_read_back(release: Release) -> None:
    assert parse_release(format_release(release)) == release


def test_the_real_image_lies_where_cern_published_it() -> None:
    image = parse_image_name("ucernvm-v4prod.2020.07-1.cernvm.x86_64.hdd")
    assert image is not None
    assert image.path() == (
        "releases/ucernvm-images.2020.07-1.cernvm.x86_64/ucernvm-v4prod.2020.07-1.cernvm.x86_64.hdd"
    )


def test_the_human_name_means_the_same_file() -> None:
    image = parse_image_name("cernvm4-micro-2021.05-1.tar.gz")
    assert image is not None
    assert image.file == "ucernvm-v4prod.2021.05-1.cernvm.x86_64.tar.gz"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ucernvm.2021.05-1.cernvm.x86_64.tar",
        "ucernvm-v4prod.2021.05.cernvm.x86_64.hdd",
        "../ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd",
        "ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd\n",
        "ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd.sha256",
        "cernvm5-micro-2021.05-1.hdd",
    ],
)
def test_other_names_are_no_images(name: str) -> None:
    assert parse_image_name(name) is None


@pytest.mark.parametrize("text", ["4.5.0.1", "CernVM 4.5.0.1", "cernvm-4.5.0.1", " cernvm-system-4.5.0.1 "])
def test_people_write_a_system_in_many_ways(text: str) -> None:
    assert parse_release(text) == Release(system="4.5.0.1")


@pytest.mark.parametrize("text", ["", "4", "4.5", "latest", "4.5.0.1@", "4.5.0.1/v4prod", "4.5.0.1; rm -r"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(Usage, match="not a CernVM version"):
        parse_release(text)


def test_tags_and_bootloaders() -> None:
    assert parse_tag("cernvm-system-4.5.0.1") == "4.5.0.1"
    assert parse_tag(Release(system="3.7.2.0").tag) == "3.7.2.0"
    assert [parse_tag(tag) for tag in ("HEAD4", "trunk-previous", "cernvm-system-4.5.0.1 ", "")] == [""] * 4
    assert parse_bootloader("2021.05-1.cernvm.x86_64\n") == parse_bootloader("2021.05-1") == "2021.05-1"
    assert parse_bootloader("<html>") == ""


def test_age_is_not_the_alphabet() -> None:
    assert sorted(["2021.05-1", "2.6-7", "2018.06-10", "2018.06-4"], key=bootloader_key) == [
        "2.6-7",
        "2018.06-4",
        "2018.06-10",
        "2021.05-1",
    ]
    assert system_key("4.10.0.0") > system_key("4.5.0.1")


@pytest.mark.parametrize(
    ("release", "first"),
    [
        (Release(system="4.5.0.1", bootloader="2021.05-1"), "v4prod"),
        (Release(system="3.7.2.0", bootloader="2021.05-1"), "v3prod"),
        (Release(system="3.6.0.0", bootloader="2.6-7"), "prod"),
        (Release(system="4.5.0.1", flavour="devel"), "devel"),
    ],
)
def test_the_likeliest_flavour_is_first(release: Release, first: str) -> None:
    assert flavours(release)[0] == first


def test_numbers_that_python_does_not_read() -> None:
    """A server's listing, or an entry, may hold digits without end; ``int`` refuses more than 4,300."""
    long = "9" * 10_000
    assert system_key(f"{long}.1") > system_key("4.5.0.1")
    assert bootloader_key(f"2021.{long}-1") > bootloader_key("2021.05-1")
