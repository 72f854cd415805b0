"""TOML to frozen configuration.

``sections`` holds the science of a run, ``places`` its files and means, ``tables`` the
nouns that are configuration; ``parsing`` says what is wrong with any of them.
"""

from __future__ import annotations

from qhsink.config.model_targets import load_model_targets
from qhsink.config.parsing import (
    parse_section,
    read_toml,
)
from qhsink.config.places import (
    PRODUCTS,
    LayerAssets,
    LayerConfig,
    Offer,
    ReadConfig,
    Settings,
    SourceConfig,
    load_layers,
    load_reads,
    load_settings,
    load_sources,
    project_dir,
)
from qhsink.config.sections import (
    CompositeConfig,
    EstimateConfig,
    GridConfig,
    IndicatorChoice,
    MaskConfig,
    ModelChoice,
    OffsetGuardConfig,
    RegionRules,
    RunConfig,
    SeasonConfig,
    load_run_config,
)
from qhsink.config.tables import (
    load_bands,
    load_deductions,
    load_factor_choices,
    load_factors,
    load_forest_rules,
    load_grades,
    load_indicators,
    load_official,
    load_targets,
)

__all__ = [
    "PRODUCTS",
    "CompositeConfig",
    "EstimateConfig",
    "GridConfig",
    "IndicatorChoice",
    "LayerAssets",
    "LayerConfig",
    "MaskConfig",
    "ModelChoice",
    "Offer",
    "OffsetGuardConfig",
    "ReadConfig",
    "RegionRules",
    "RunConfig",
    "SeasonConfig",
    "Settings",
    "SourceConfig",
    "load_bands",
    "load_deductions",
    "load_factor_choices",
    "load_factors",
    "load_forest_rules",
    "load_grades",
    "load_indicators",
    "load_layers",
    "load_model_targets",
    "load_official",
    "load_reads",
    "load_run_config",
    "load_settings",
    "load_sources",
    "load_targets",
    "parse_section",
    "project_dir",
    "read_toml",
]
