"""What Terrascope offers, as data: one TOML table per product, its versions and cadences inside."""

from terrascope_nb.products.model import Band, BitField, FlagClass, Product, Quality, Style, Variant, in_language
from terrascope_nb.products.quality import MaskRule, class_named, keep_classes
from terrascope_nb.products.registry import (
    ProductList,
    find_variant,
    get_product,
    list_products,
    product_of_collection,
)

__all__ = [
    "Band",
    "BitField",
    "FlagClass",
    "MaskRule",
    "Product",
    "ProductList",
    "Quality",
    "Style",
    "Variant",
    "class_named",
    "find_variant",
    "get_product",
    "in_language",
    "keep_classes",
    "list_products",
    "product_of_collection",
]
