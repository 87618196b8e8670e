"""Rows: one aggregate a file. Importing the package maps every table."""

from vmsapp.models.approval import ApprovalRequest, ApprovalRule, ApprovalState
from vmsapp.models.audit import AuditEvent, AuditHead, AuditSeal, AuditUnsealed
from vmsapp.models.consumer import Consumer
from vmsapp.models.job import Job
from vmsapp.models.ledger import (
    AccountKind,
    FloatMovement,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    TransferState,
)
from vmsapp.models.licence import LicenceChange, LicenceDeed
from vmsapp.models.meter import (
    Algorithm,
    Counter,
    FeePayment,
    Meter,
    MeterInstallation,
    MeterState,
    ServicePoint,
    SpentTid,
    TidHead,
)
from vmsapp.models.product import MeterType, Product
from vmsapp.models.region import Region, RegionLevel
from vmsapp.models.sale import MOVES, ClockAcceptance, Sale, SaleAttempt, SaleState
from vmsapp.models.security_module import SecurityModule, SmAlgorithm, VendingKey
from vmsapp.models.setup import Installation, Logo, Setup
from vmsapp.models.tariff import Tariff, TariffPenalty, TariffPlan, TariffStep
from vmsapp.models.token import Token
from vmsapp.models.user import OfficeUser, RecoveryCode, UserState
from vmsapp.models.user_session import UserSession
from vmsapp.models.vending_point import (
    PaperSize,
    ReceiptCounter,
    VendingPoint,
    VendingPointAccount,
)

__all__ = [
    "MOVES",
    "AccountKind",
    "Algorithm",
    "ApprovalRequest",
    "ApprovalRule",
    "ApprovalState",
    "AuditEvent",
    "AuditHead",
    "AuditSeal",
    "AuditUnsealed",
    "ClockAcceptance",
    "Consumer",
    "Counter",
    "FeePayment",
    "FloatMovement",
    "Installation",
    "Job",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerTransfer",
    "LicenceChange",
    "LicenceDeed",
    "Logo",
    "Meter",
    "MeterInstallation",
    "MeterState",
    "MeterType",
    "OfficeUser",
    "PaperSize",
    "Product",
    "ReceiptCounter",
    "RecoveryCode",
    "Region",
    "RegionLevel",
    "Sale",
    "SaleAttempt",
    "SaleState",
    "SecurityModule",
    "ServicePoint",
    "Setup",
    "SmAlgorithm",
    "SpentTid",
    "Tariff",
    "TariffPenalty",
    "TariffPlan",
    "TariffStep",
    "TidHead",
    "Token",
    "TransferState",
    "UserSession",
    "UserState",
    "VendingKey",
    "VendingPoint",
    "VendingPointAccount",
]
