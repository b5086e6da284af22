from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue.access import access_of, asset_ref, open_href, trusted_roots
from terrascope_nb.errors import AssetUnreachableError, UntrustedPathError
from terrascope_nb.settings import options

NDVI = "S2A_20250516T104651_31UFS_NDVI_10M_V210"
TOC_2023 = "S2A_20230220T074941_38SKG_TOC_V210"
TOC_V220 = "S2C_20260807T104621_31TCN_TOC_V220"
FOLDER = "TERRASCOPE_Sentinel2/NDVI_V2/2025/05/16/S2A_20250516T104651_31UFS_NDVI_V210"
FILE = f"{FOLDER}/{NDVI}.tif"


@pytest.fixture
def root(tmp_path):
    """An archive root of our own, with the one file the real item names."""
    root = tmp_path / "MTDA"
    (root / FOLDER).mkdir(parents=True)
    (root / FILE).write_bytes(b"II*\0")
    with options(archive_roots=(root,)):
        yield root


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.tif"
    path.write_bytes(b"secret")
    return path


def with_href(item, href, *, lies_at=None):
    item.remove_links("self")
    if lies_at is not None:
        item.set_self_href(str(lies_at))
    item.assets["NDVI"].href = href
    item.assets["NDVI"].extra_fields.pop("alternate")
    return item


def test_the_local_mount_comes_first_and_https_is_the_fallback(real_item, root):
    ref = asset_ref(real_item(NDVI), "NDVI")
    assert open_href(ref) == str(root / FILE)
    assert ref.hrefs[-1].startswith("https://services.terrascope.be/download/Sentinel2/NDVI_V2/")
    (root / FILE).unlink()
    assert open_href(ref).startswith("https://"), "decided when it is read, not when it was searched"


def test_the_hrefs_of_the_item_are_not_touched(real_item, root):
    item = real_item(NDVI)
    before = item.to_dict(transform_hrefs=False)
    open_href(asset_ref(item, "NDVI"))
    assert item.to_dict(transform_hrefs=False) == before


def test_alternate_mep_of_2023_without_a_scheme_is_understood(real_item, tmp_path):
    folder = tmp_path / "TERRASCOPE_Sentinel2/TOC_V2/2023/02/20" / TOC_2023
    folder.mkdir(parents=True)
    name = "S2A_20230220T074941_38SKG_TOC-B04_10M_V210.tif"
    (folder / name).write_bytes(b"")
    with options(archive_roots=(tmp_path,)):
        assert open_href(asset_ref(real_item(TOC_2023), name)) == str(folder / name)


def test_a_download_address_alone_leads_to_the_archive_by_the_platforms_rule(real_item, root):
    item = real_item(NDVI)
    del item.assets["NDVI"].extra_fields["alternate"]
    assert open_href(asset_ref(item, "NDVI")) == str(root / FILE)


def test_the_path_rule_agrees_with_every_pair_of_the_real_items(real_item):
    pairs = 0
    for name, alternate in ((NDVI, "local"), (TOC_V220, "local"), (TOC_2023, "MEP")):
        item = real_item(name)
        for key, asset in item.assets.items():
            if "alternate" not in asset.extra_fields:
                continue
            said = asset.extra_fields.pop("alternate")[alternate]["href"].removeprefix("file://")
            with options(archive_roots=("/data/MTDA",)):
                assert said in asset_ref(item, key).hrefs
            pairs += 1
    assert pairs >= 25


def test_worldcover_keeps_its_folder_name():
    import datetime as dt

    import pystac

    item = pystac.Item("w", None, None, dt.datetime(2020, 1, 1), {})
    item.add_asset("Map", pystac.Asset("https://services.terrascope.be/download/WORLDCOVER/a/b_Map.tif"))
    with options(archive_roots=("/data/MTDA",)):
        assert "/data/MTDA/WORLDCOVER/a/b_Map.tif" in asset_ref(item, "Map").hrefs


def test_a_missing_archive_and_no_address_names_item_asset_and_everything_tried(real_item, root):
    item = with_href(real_item(NDVI), f"file:///data/MTDA/{FOLDER}/gone.tif")
    with pytest.raises(AssetUnreachableError) as caught:
        open_href(asset_ref(item, "NDVI"))
    for part in (NDVI, "NDVI", "gone.tif", str(root)):
        assert part in str(caught.value)
    assert caught.value.item == NDVI
    assert isinstance(caught.value, OSError)


def test_offline_never_answers_with_an_address(real_item, tmp_path):
    with options(archive_roots=(tmp_path / "none",), offline=True):
        with pytest.raises(AssetUnreachableError, match="offline is set"):
            open_href(asset_ref(real_item(NDVI), "NDVI"))
        assert access_of(real_item(NDVI), "NDVI") == "missing"


def test_s3_alternates_are_skipped_and_it_is_said(real_item, root):
    item = real_item(NDVI)
    item.assets["NDVI"].extra_fields["alternate"]["s3"] = {"href": "s3://bucket/NDVI.tif"}
    ref = asset_ref(item, "NDVI")
    assert not any(href.startswith("s3") for href in ref.hrefs)
    assert any("s3://bucket/NDVI.tif" in why for why in ref.skipped)


def test_an_asset_that_is_not_there_lists_those_that_are(real_item):
    with pytest.raises(AssetUnreachableError, match="it has QUICKLOOK, NDVI"):
        asset_ref(real_item(NDVI), "B04")


def test_an_unreadable_local_file_falls_back_to_https(real_item, root):
    if os.geteuid() == 0:
        (root / FILE).unlink()
        os.mkfifo(root / FILE)  # a pipe would block the reader for ever
    else:
        (root / FILE).chmod(0)
    assert open_href(asset_ref(real_item(NDVI), "NDVI")).startswith("https://")


HOSTILE = [
    "file:///etc/passwd",
    "/etc/passwd",
    "file://localhost/etc/passwd",
    "file:///data/MTDA/../../etc/passwd",
    "file:///data/MTDA/%2e%2e/%2E%2E/etc/passwd",
    "/data/MTDA/../../../../../../../etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "//etc/passwd",
    "../../../../../../../../etc/passwd",
    "file:../etc/passwd",
]


@pytest.mark.parametrize("href", HOSTILE)
def test_a_catalogue_that_names_a_file_outside_the_roots_is_not_followed(real_item, root, href):
    item = with_href(real_item(NDVI), href, lies_at=root / "item.json")
    ref = asset_ref(item, "NDVI")
    assert ref.hrefs == ()
    with pytest.raises((UntrustedPathError, AssetUnreachableError)) as caught:
        open_href(ref)
    assert "passwd" in str(caught.value)


def test_the_error_for_an_untrusted_path_says_how_to_trust_it(real_item, root):
    with pytest.raises(UntrustedPathError, match=r"outside the archive roots.*archive_roots"):
        open_href(asset_ref(with_href(real_item(NDVI), "file:///etc/passwd"), "NDVI"))


@pytest.mark.parametrize(
    "href",
    [
        "file://fileserver/share/x.tif",
        "/vsicurl/http://127.0.0.1/x.tif",
        "/vsizip//data/MTDA/x.zip/x.tif",
        "/vsis3/bucket/x.tif",
        "file:///vsicurl/http://127.0.0.1/x.tif",
        "ftp://example.org/x.tif",
        "gopher://example.org/x",
        "zip+file:///data/MTDA/x.zip!x.tif",
        "netcdf:/etc/passwd:band",
        "data:image/tiff;base64,AAAA",
        "https:///etc/passwd",
        "https://[x",
        "//[x",
        "file:///data/MTDA/x.tif%00.png",
        "/data/MTDA/x\x00.tif",
        "https://example.org/x\ny.tif",
        "s3://bucket/x.tif",
        "x.tif",
    ],
)
def test_other_schemes_and_tricks_are_skipped_and_said(real_item, root, href):
    item = with_href(real_item(NDVI), href)
    ref = asset_ref(item, "NDVI")
    assert ref.hrefs == ()
    assert ref.skipped
    with pytest.raises((UntrustedPathError, AssetUnreachableError)):
        open_href(ref)


def test_a_link_inside_the_archive_that_leads_out_is_not_followed(real_item, root, secret):
    (root / FILE).unlink()
    (root / FILE).symlink_to(secret)
    item = with_href(real_item(NDVI), f"file:///data/MTDA/{FILE}")
    with pytest.raises((UntrustedPathError, AssetUnreachableError)):
        open_href(asset_ref(item, "NDVI"))


def test_a_link_that_is_swapped_after_the_search_is_not_followed(real_item, root, secret):
    ref = asset_ref(with_href(real_item(NDVI), f"file:///data/MTDA/{FILE}"), "NDVI")
    assert open_href(ref) == str(root / FILE)
    (root / FILE).unlink()
    (root / FILE).symlink_to(secret)
    with pytest.raises(AssetUnreachableError):
        open_href(ref)


def test_a_linked_folder_inside_the_archive_that_leads_out_is_not_followed(real_item, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.tif").write_bytes(b"")
    (root / "inside").symlink_to(outside)
    item = with_href(real_item(NDVI), "file:///data/MTDA/inside/x.tif")
    with pytest.raises(UntrustedPathError):
        open_href(asset_ref(item, "NDVI"))


def test_a_root_that_is_itself_a_link_is_fine(real_item, root, tmp_path):
    (tmp_path / "mount").symlink_to(root)
    with options(archive_roots=(tmp_path / "mount",)):
        assert open_href(asset_ref(real_item(NDVI), "NDVI")) == str(root / FILE)


def test_a_folder_whose_name_begins_like_a_root_is_not_below_it(real_item, root, tmp_path):
    (tmp_path / "MTDA-evil").mkdir()
    (tmp_path / "MTDA-evil" / "x.tif").write_bytes(b"")
    item = with_href(real_item(NDVI), f"file://{tmp_path}/MTDA-evil/x.tif")
    with pytest.raises(UntrustedPathError):
        open_href(asset_ref(item, "NDVI"))


def test_a_relative_href_of_a_static_item_is_read_beside_it_when_its_folder_is_trusted(real_item, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x y.tif").write_bytes(b"")
    item = with_href(real_item(NDVI), "./data/x y.tif", lies_at=tmp_path / "item.json")
    with pytest.raises(UntrustedPathError):
        open_href(asset_ref(item, "NDVI"))
    assert open_href(asset_ref(item, "NDVI", roots=[tmp_path])) == str(tmp_path / "data" / "x y.tif")


def test_a_relative_href_of_a_served_item_becomes_an_address(real_item):
    item = with_href(real_item(NDVI), "../files/x.tif", lies_at="https://example.org/stac/items/a.json")
    assert open_href(asset_ref(item, "NDVI")) == "https://example.org/stac/files/x.tif"


def test_a_reference_can_be_opened_in_another_process(real_item, root):
    ref = asset_ref(real_item(NDVI), "NDVI")
    with options(archive_roots=("/nowhere",)):
        assert open_href(pickle.loads(pickle.dumps(ref))) == str(root / FILE)


def test_access_says_local_https_untrusted_or_missing(real_item, root):
    item = real_item(NDVI)
    assert access_of(item) == "local"
    (root / FILE).unlink()
    assert access_of(item) == "https"
    assert access_of(with_href(item, "file:///etc/passwd"), "NDVI") == "untrusted"
    assert access_of(item, "B04") == "missing"


parts = st.lists(st.sampled_from(["..", ".", "a", "%2e%2e", "%2E.", "link", "", "b.tif", "~", "*"]), max_size=8)


@given(parts, st.sampled_from(["file://{root}/", "{root}/", "file:///data/MTDA/", "/data/MTDA/", "/", "file:///", ""]))
def test_no_spelling_of_a_path_gets_out_of_the_root(tmp_path_factory, drawn, start):
    base = tmp_path_factory.getbasetemp() / "spellings"
    root, outside = base / "MTDA", base / "outside"
    for folder in (root / "a", outside):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "b.tif").write_bytes(b"")
    if not (root / "link").exists():
        (root / "link").symlink_to(outside)
    import datetime as dt

    import pystac

    item = pystac.Item("x", None, None, dt.datetime(2020, 1, 1), {}, href=str(root / "item.json"))
    item.add_asset("x", pystac.Asset(start.format(root=root) + "/".join(drawn)))
    with options(archive_roots=(root,)):
        try:
            opened = open_href(asset_ref(item, "x"))
        except (UntrustedPathError, AssetUnreachableError):
            return
    assert opened.startswith(str(root) + "/")
    assert os.path.realpath(opened) == opened


def test_roots_that_remember_folders_answer_as_realpath(tmp_path):
    inside, outside = tmp_path / "root" / "a" / "b", tmp_path / "elsewhere"
    inside.mkdir(parents=True)
    outside.mkdir()
    (inside / "file").write_bytes(b"")
    (inside / "out").symlink_to(outside)
    (inside / "again").symlink_to(inside / "file")
    (inside.parent / "round").symlink_to(inside.parent / "round")
    roots = trusted_roots([tmp_path / "root"])
    for end in (
        "a/b/file",
        "a/b/out/x",
        "a/b/again",
        "a/b/not/there",
        "a/b/../b/out",
        "a//b/file",
        "a/round/x",
        "a/b/out/..",
        "../elsewhere/x",
        "../root",
        "a/b/",
        ".",
        "",
    ):
        for _ in range(2):
            real = os.path.realpath(f"{tmp_path}/root/{end}")
            assert roots.real(f"{tmp_path}/root/{end}") == real, end
            assert roots.hold(f"{tmp_path}/root/{end}") == real.startswith(f"{tmp_path}/root/"), end


def test_roots_that_remember_folders_let_no_link_out(real_item, root, secret):
    (root / FILE).unlink()
    (root / FILE).symlink_to(secret)
    known = trusted_roots()
    for _ in range(2):
        ref = asset_ref(with_href(real_item(NDVI), f"{root}/{FILE}"), "NDVI", roots=known)
        assert not any(href.startswith("/") for href in ref.hrefs)
