"""Rows: one aggregate a file. Importing the package maps every table."""

from typing import Final

from vmsapp.models.approval import ApprovalRequest, ApprovalRule, ApprovalState
from vmsapp.models.audit import AuditEvent, AuditHead, AuditSeal, AuditUnsealed
from vmsapp.models.base import Model
from vmsapp.models.bearer import Bearer, BearerScope, BearerState
from vmsapp.models.campaign import (
    CAMPAIGN_MOVES,
    Campaign,
    CampaignChunk,
    CampaignMeter,
    CampaignNotice,
    CampaignRefusal,
    CampaignState,
    ChunkState,
    HandOut,
    NoticeState,
)
from vmsapp.models.consumer import Consumer, Gender, NumberSeries
from vmsapp.models.debt import Debt, DebtPayment, DebtWriteOff
from vmsapp.models.delivery import (
    DELIVERY_MOVES,
    OPEN_DELIVERIES,
    Channel,
    Delivery,
    DeliveryState,
)
from vmsapp.models.engineering import (
    ENGINEERING_MOVES,
    MAY_BE_MADE,
    EngineeringDigits,
    EngineeringPrint,
    EngineeringRefusal,
    EngineeringState,
    EngineeringToken,
    TestToken,
)
from vmsapp.models.free_token import FreeReason, FreeToken
from vmsapp.models.imports import BatchState, ImportBatch, ImportRow, RowState
from vmsapp.models.job import Job, JobState
from vmsapp.models.key_change import (
    CHANGE_MOVES,
    CHANGES_MADE,
    OPEN_CHANGES,
    ChangeState,
    KeyChange,
    KeyChangePrint,
    KeyChangeToken,
)
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
    CreditMode,
    FeePayment,
    Meter,
    MeterInstallation,
    MeterState,
    ServicePoint,
    SpentTid,
    TidHead,
)
from vmsapp.models.product import MeterType, Product
from vmsapp.models.proof import LedgerProof
from vmsapp.models.purchase import Purchase
from vmsapp.models.receipt_print import PrintKind, ReceiptPrint
from vmsapp.models.region import Region, RegionLevel
from vmsapp.models.report import (
    SENDING_MOVES,
    Every,
    ReportRecipient,
    ReportSchedule,
    ReportSending,
    SavedReport,
    ScheduleState,
    SendingState,
)
from vmsapp.models.revenue import (
    REVENUE_MOVES,
    RevenueFinding,
    RevenueNote,
    RevenueOutcome,
    RevenueRule,
    RevenueState,
)
from vmsapp.models.reversal import ReversalReason, SaleReversal
from vmsapp.models.roll_up import (
    FIGURES,
    LastPurchase,
    SalesByHour,
    SalesByPoint,
    SalesByProduct,
    SalesByTariff,
    Span,
    Unsummed,
)
from vmsapp.models.sale import MOVES, ClockAcceptance, Sale, SaleAttempt, SaleKind, SaleState
from vmsapp.models.security_module import (
    FindingKind,
    JournalCheck,
    JournalFinding,
    ModuleHealth,
    SecurityModule,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.models.setup import Installation, Logo, Setup
from vmsapp.models.shift import CashReason, Shift, ShiftCash, ShiftState
from vmsapp.models.simulation import TariffSimulation
from vmsapp.models.supplied import SuppliedPlace
from vmsapp.models.tariff import Tariff, TariffPlan
from vmsapp.models.token import Token
from vmsapp.models.training import TrainingMeter
from vmsapp.models.user import OfficeUser, RecoveryCode, UserState
from vmsapp.models.user_session import UserSession
from vmsapp.models.vending_point import (
    PaperSize,
    ReceiptCounter,
    VendingPoint,
    VendingPointAccount,
)

__all__ = [
    "CAMPAIGN_MOVES",
    "CHANGES_MADE",
    "CHANGE_MOVES",
    "DELIVERY_MOVES",
    "ENGINEERING_MOVES",
    "FIGURES",
    "MAY_BE_MADE",
    "MOVES",
    "OPEN_CHANGES",
    "OPEN_DELIVERIES",
    "REVENUE_MOVES",
    "SENDING_MOVES",
    "AccountKind",
    "Algorithm",
    "ApprovalRequest",
    "ApprovalRule",
    "ApprovalState",
    "AuditEvent",
    "AuditHead",
    "AuditSeal",
    "AuditUnsealed",
    "BatchState",
    "Bearer",
    "BearerScope",
    "BearerState",
    "Campaign",
    "CampaignChunk",
    "CampaignMeter",
    "CampaignNotice",
    "CampaignRefusal",
    "CampaignState",
    "CashReason",
    "ChangeState",
    "Channel",
    "ChunkState",
    "ClockAcceptance",
    "Consumer",
    "Counter",
    "CreditMode",
    "Debt",
    "DebtPayment",
    "DebtWriteOff",
    "Delivery",
    "DeliveryState",
    "EngineeringDigits",
    "EngineeringPrint",
    "EngineeringRefusal",
    "EngineeringState",
    "EngineeringToken",
    "Every",
    "FeePayment",
    "FindingKind",
    "FloatMovement",
    "FreeReason",
    "FreeToken",
    "Gender",
    "HandOut",
    "ImportBatch",
    "ImportRow",
    "Installation",
    "Job",
    "JobState",
    "JournalCheck",
    "JournalFinding",
    "KeyChange",
    "KeyChangePrint",
    "KeyChangeToken",
    "LastPurchase",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerProof",
    "LedgerTransfer",
    "LicenceChange",
    "LicenceDeed",
    "Logo",
    "Meter",
    "MeterInstallation",
    "MeterState",
    "MeterType",
    "ModuleHealth",
    "NoticeState",
    "NumberSeries",
    "OfficeUser",
    "PaperSize",
    "PrintKind",
    "Product",
    "Purchase",
    "ReceiptCounter",
    "ReceiptPrint",
    "RecoveryCode",
    "Region",
    "RegionLevel",
    "ReportRecipient",
    "ReportSchedule",
    "ReportSending",
    "RevenueFinding",
    "RevenueNote",
    "RevenueOutcome",
    "RevenueRule",
    "RevenueState",
    "ReversalReason",
    "RowState",
    "Sale",
    "SaleAttempt",
    "SaleKind",
    "SaleReversal",
    "SaleState",
    "SalesByHour",
    "SalesByPoint",
    "SalesByProduct",
    "SalesByTariff",
    "SavedReport",
    "ScheduleState",
    "SecurityModule",
    "SendingState",
    "ServicePoint",
    "Setup",
    "Shift",
    "ShiftCash",
    "ShiftState",
    "SmAlgorithm",
    "Span",
    "SpentTid",
    "SuppliedPlace",
    "Tariff",
    "TariffPlan",
    "TariffSimulation",
    "TestToken",
    "TidHead",
    "Token",
    "TrainingMeter",
    "TransferState",
    "Unsummed",
    "UserSession",
    "UserState",
    "VendingKey",
    "VendingPoint",
    "VendingPointAccount",
]

NEVER_REUSED: Final = (
    "ab_role", "consumer", "product", "region", "setup", "tariff", "tariff_plan",
    "vending_key", "vending_point",
)  # fmt: skip
"""Tables whose rows may be deleted and stand in the audit trail: no other row gets their ids.

SQLite would give a new row the id of the last one, and the trail of the one would be the other's.
"""

for _table in NEVER_REUSED:
    Model.metadata.tables[_table].dialect_options["sqlite"]["autoincrement"] = True
