"""What an extension says of a file: an image, a text about one, something else, or nothing that is known.

Of a file with an extension that is none of these, or without one, its first bytes tell.
"""

from pipeline.formats.image_format import image_format


def _all_of(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


IMAGE_EXTENSIONS = _all_of(
    "apng avif avifs bmp cur dib gif heic heics heif heifs hif ico j2c j2k jfi jfif jif jp2 jpc jpe jpeg",
    "jpf jpg jpx jxl mpo pbm pfm pgm png pnm ppm tga tif tiff webp",
)

TEXT_EXTENSIONS = ("txt", "text", "caption", "cls", "json")
"""Of files that describe an image beside them."""

IMG2DATASET_STATISTICS = "_stats.json"
"""The end of the file that img2dataset writes beside each shard."""

CAMERA_RAW = _all_of(
    "3fr ari arw bay cr2 cr3 crw dcr dng erf fff gpr iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2",
    "rwl sr2 srf srw x3f",
)
DRAWINGS = _all_of("ai cdr emf eps pdf ps svg svgz wmf")
"""Pictures that are not read: they hold no pixels, or those of a sensor."""

_OTHER = _all_of(
    # texts and tables
    "asc bib cfg conf csv doc docx env epub htm html ini jsonl lock log map md md5 mdx mht ndjson nfo odt",
    "org ods plist ppt pptx properties rst rtf sha1 sha256 srt ssa ass sub tex toml tsv vtt xls xlsx xml",
    "xsd xsl yaml yml",
    # programs
    "a bat c cc class cmake cpp cs css cu dart dll dylib exe go gradle h hpp ipynb jar java js jsx kt",
    "less lua m mjs o obj php pl proto ps1 py pyc pyd pyi pyx r rb rs scss sh so sql swift ts tsx vue",
    "wasm",
    # archives and data
    "7z apk arrow avro b64 bz2 cab ckpt csr db db3 deb dmg duckdb feather gguf gz h5 hdf hdf5 idx",
    "index iso joblib lmdb lz4 lzma mat mdb mds msgpack nc npy npz onnx orc parquet pb pickle pkl pt pth",
    "rar rec rpm safetensors sqlite sqlite3 tar tbz tbz2 tfrecord tfrecords tgz torrent txz tzst xz z",
    "zarr zip zst",
    # sound, films, shapes, editors' own formats, fonts
    "3gp aac ac3 aif aiff amr avi flac flv m2ts m3u m4a m4v mid midi mkv mov mp3 mp4 mpeg mpg mts ogg ogv",
    "opus ra rm swf vob wav webm wma wmv blend dae dxf dwg fbx glb gltf las laz mtl ply stl usdz afdesign",
    "afphoto fig indd kra procreate psb psd sketch xcf xmp aae dcm dds exr fits hdr ktx nii eot otf ttc",
    "ttf woff woff2",
    # of systems
    "crdownload download ds_store lnk part partial pid swp tmp url webloc",
)


def is_image(extension: str) -> bool:
    """Whether an extension, compound or not, is of an image: `jpg`, `mask.png`."""
    return extension.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS


def is_text(extension: str) -> bool:
    """Whether an extension, compound or not, is of metadata: `json`, `caption.txt`."""
    return extension.rsplit(".", 1)[-1] in TEXT_EXTENSIONS


def is_known(extension: str) -> bool:
    """Whether an extension, in small letters, tells what a file is."""
    last = extension.rsplit(".", 1)[-1]
    return is_image(last) or is_text(last) or last in _OTHER or last in CAMERA_RAW or last in DRAWINGS


def shows_an_image(head: bytes) -> bool:
    """Whether a file that begins with `head` is an image, whatever it is called."""
    return image_format(head) is not None


def kind_of(name: str) -> str:
    """What a file is left out as."""
    stem, dot, extension = name.rpartition(".")
    if not (stem and dot):
        return "without extension"
    extension = extension.lower()
    if extension in CAMERA_RAW:
        return f".{extension}, camera raw: convert it to JPEG"
    if extension in DRAWINGS:
        return f".{extension}, a drawing: convert it to PNG"
    return f".{extension}"[:20]
